package dev.weir.engine.plan;

/**
 * Which shard a sequence goes to, so that the fullest stays as empty as it can. Filled anew for
 * each sequence by whoever owns the shards; nothing is allocated.
 *
 * <p>Time belongs to devices, memory to shards. A device's load is the time until this sequence's
 * context would be ready there: the work that waits there, and what getting the context there takes
 * (nothing where it lies, else the cheapest of a copy, a restore and computing it again). The
 * sequence goes to the device with the least, and there to the emptiest shard; devices that differ
 * by less than predictions are worth count as equal. Shards of one device share its time and its
 * blocks' contents, so there only memory counts: no idle context is given away in one shard while
 * blocks of another hold nothing.
 *
 * <p>A preference (where the context or the session lives) holds as long as it costs little; where
 * the shard is too full for it, it holds for the shard's device.
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
  static final double OVERLOAD = 0.25;

  /**
   * A preference holds while its device would be ready at most this much later than the best: what
   * the next turn's copy of a long context might take.
   */
  static final double OVERLOAD_NANOS = 50e6;

  /** About a step: differences below it are noise of the prediction, and memory decides. */
  static final double NEGLIGIBLE_NANOS = 5e6;

  private final double[] readyNanos;
  private final int[] missing;
  private final int[] devices;
  private final int[] capacities;
  private final int[] held;
  private final int[] available;
  private final int[] empty;
  private final boolean[] open;

  public Placement(int shards, int deviceCount) {
    readyNanos = new double[deviceCount];
    missing = new int[deviceCount];
    devices = new int[shards];
    capacities = new int[shards];
    held = new int[shards];
    available = new int[shards];
    empty = new int[shards];
    open = new boolean[shards];
  }

  /**
   * Describes a device.
   *
   * @param backlogNanos predicted work that waits there
   * @param contextNanos predicted time to get this sequence's context there; 0 if it is shared
   * @param missingBlocks blocks that must be allocated for this sequence there
   */
  public void device(int number, double backlogNanos, double contextNanos, int missingBlocks) {
    assert backlogNanos >= 0 && contextNanos >= 0 && missingBlocks >= 0;
    readyNanos[number] = backlogNanos + contextNanos;
    missing[number] = missingBlocks;
  }

  /**
   * Describes a shard.
   *
   * @param device where it lies
   * @param capacity its blocks
   * @param heldBlocks blocks that sequences hold
   * @param availableBlocks blocks that could be allocated now
   * @param emptyBlocks of these, blocks that hold nobody's idle context
   * @param isOpen false if its device is lost
   */
  public void shard(
      int number,
      int device,
      int capacity,
      int heldBlocks,
      int availableBlocks,
      int emptyBlocks,
      boolean isOpen) {
    devices[number] = device;
    capacities[number] = capacity;
    held[number] = heldBlocks;
    available[number] = availableBlocks;
    empty[number] = emptyBlocks;
    open[number] = isOpen;
  }

  /**
   * The shard for the sequence.
   *
   * @param preferred a shard, or {@link #ANYWHERE}
   * @return {@link #NOWHERE} if none has room for it now
   */
  public int choose(int preferred) {
    double soonest = Double.POSITIVE_INFINITY;
    for (int shard = 0; shard < devices.length; shard++) {
      if (fits(shard)) {
        soonest = Math.min(soonest, ready(shard));
      }
    }
    int best = NOWHERE;
    int home = NOWHERE; // the emptiest shard of the preferred one's device
    for (int shard = 0; shard < devices.length; shard++) {
      if (fits(shard)) {
        if (ready(shard) <= soonest + NEGLIGIBLE_NANOS) {
          best = emptier(best, shard);
        }
        if (preferred != ANYWHERE && devices[shard] == devices[preferred]) {
          home = emptier(home, shard);
        }
      }
    }
    if (home == NOWHERE || ready(home) > soonest + OVERLOAD_NANOS) {
      return best;
    }
    boolean spares = sparesContexts(preferred) || !sparesContexts(home);
    if (fits(preferred) && spares && load(preferred) <= load(home) + OVERLOAD) {
      home = preferred;
    }
    return load(home) <= load(best) + OVERLOAD ? home : best;
  }

  private int emptier(int shard, int other) {
    if (shard == NOWHERE || sparesContexts(shard) != sparesContexts(other)) {
      return shard == NOWHERE || sparesContexts(other) ? other : shard;
    }
    return load(other) < load(shard) ? other : shard;
  }

  /** Whether the sequence displaces nobody's idle context there. */
  private boolean sparesContexts(int shard) {
    return missing[devices[shard]] <= empty[shard];
  }

  /** That shard, or {@link #NOWHERE} if it has no room or is closed: a pin is never bent. */
  public int choosePinned(int shard) {
    return fits(shard) ? shard : NOWHERE;
  }

  /** Whether a shard is open and has room. */
  public boolean fits(int shard) {
    return open[shard] && missing[devices[shard]] <= available[shard];
  }

  private double ready(int shard) {
    return readyNanos[devices[shard]];
  }

  private double load(int shard) {
    return (double) (held[shard] + missing[devices[shard]]) / capacities[shard];
  }
}
