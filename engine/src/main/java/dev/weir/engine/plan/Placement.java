package dev.weir.engine.plan;

/**
 * Which shard a sequence goes to. It takes the shard it would rather have (where its context lies)
 * unless that one is much fuller than the emptiest; else the emptiest, so that the fullest shard
 * stays as empty as it can. Filled anew for each sequence by whoever owns the shards; nothing is
 * allocated.
 *
 * <p>Shards of one device share its time, so what fills them is memory; a prefix that one of them
 * holds is shared by the others and weighs the same everywhere.
 */
public final class Placement {
  /** No shard has room. */
  public static final int NOWHERE = -1;

  /** No shard is preferred to another. */
  public static final int ANYWHERE = -1;

  /**
   * A preference holds while the shard would be at most this much fuller than the emptiest, as a
   * share of its capacity: affinity saves a hand-over, balance saves a preemption.
   */
  private static final double OVERLOAD = 0.25;

  private final int[] capacities;
  private final int[] held;
  private final int[] available;

  public Placement(int shards) {
    capacities = new int[shards];
    held = new int[shards];
    available = new int[shards];
  }

  /**
   * Describes a shard.
   *
   * @param capacity its blocks
   * @param heldBlocks blocks that sequences hold
   * @param availableBlocks blocks that could be allocated now
   */
  public void shard(int number, int capacity, int heldBlocks, int availableBlocks) {
    capacities[number] = capacity;
    held[number] = heldBlocks;
    available[number] = availableBlocks;
  }

  /**
   * The shard for a sequence that needs {@code blocks} more than it shares.
   *
   * @param preferred a shard, or {@link #ANYWHERE}
   * @return {@link #NOWHERE} if none has room for it now
   */
  public int choose(int blocks, int preferred) {
    int emptiest = NOWHERE;
    for (int shard = 0; shard < capacities.length; shard++) {
      if (fits(shard, blocks) && (emptiest < 0 || load(shard, blocks) < load(emptiest, blocks))) {
        emptiest = shard;
      }
    }
    boolean holds =
        preferred >= 0
            && fits(preferred, blocks)
            && load(preferred, blocks) <= load(emptiest, blocks) + OVERLOAD;
    return holds ? preferred : emptiest;
  }

  /** Whether a shard has room. */
  public boolean fits(int shard, int blocks) {
    return blocks <= available[shard];
  }

  private double load(int shard, int blocks) {
    return (double) (held[shard] + blocks) / capacities[shard];
  }
}
