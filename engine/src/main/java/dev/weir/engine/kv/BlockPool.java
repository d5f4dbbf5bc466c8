package dev.weir.engine.kv;

import static dev.weir.engine.kv.BlockList.NONE;

/**
 * A range of KV blocks: those of one shard, or of the host tier. A block is in exactly one of three
 * states: <i>free</i> (holds nothing), <i>held</i> (referenced by one or more sequences or copies),
 * or <i>cached</i> (referenced by none, but its contents are in the prefix index and may be
 * revived).
 *
 * <p>When free blocks run out, cached ones are given away in least-recently-released order, those
 * under a <i>lease</i> after all others: a lease is a preference, never a promise, so no number of
 * leases keeps anybody waiting. As a sequence releases its blocks from the last to the first, a
 * block is given away before the blocks it continues, where both are leased or neither is.
 */
public final class BlockPool {
  private final int first;
  private final int[] references;
  private final int[] leases;
  private final boolean[] indexed;
  private final int[] freeStack;
  private int free;
  private long returned;
  private final BlockList unleased;
  private final BlockList leased;
  private final PrefixIndex index;

  /**
   * @param first the number of the pool's first block
   * @param capacity how many blocks there are
   * @param index where contents of this pool's blocks are found again
   */
  public BlockPool(int first, int capacity, PrefixIndex index) {
    this.first = first;
    references = new int[capacity];
    leases = new int[capacity];
    indexed = new boolean[capacity];
    freeStack = new int[capacity];
    for (int i = 0; i < capacity; i++) {
      freeStack[i] = first + capacity - 1 - i; // low numbers first: tests and dumps read better
    }
    free = capacity;
    BlockList.Links links = new BlockList.Links(first, capacity);
    unleased = new BlockList(links);
    leased = new BlockList(links);
    this.index = index;
  }

  /** The number of the first block. */
  public int first() {
    return first;
  }

  /** How many blocks there are. */
  public int capacity() {
    return references.length;
  }

  /** Whether a block is one of these. */
  public boolean contains(int block) {
    return block >= first && block - first < capacity();
  }

  /** Blocks that could be allocated now: free ones and cached ones, leased or not. */
  public int available() {
    return free + cached();
  }

  /**
   * How often a block has become available: until it does again, {@link #available} never grows.
   */
  public long returned() {
    return returned;
  }

  /** Blocks whose contents could be revived, held by nobody; leased or not. */
  public int cached() {
    return unleased.size() + leased.size();
  }

  /** Those of {@link #cached} that are given away last. */
  public int leased() {
    return leased.size();
  }

  /** Blocks that are referenced. */
  public int held() {
    return capacity() - available();
  }

  /**
   * A block for one new reference: a free one, else the oldest cached one, else the oldest leased
   * one. Its old contents leave the index.
   *
   * @return the block, or -1 if every block is held
   */
  public int allocate() {
    if (free == 0) {
      int oldest = oldestCached();
      if (oldest == NONE) {
        return NONE;
      }
      drop(oldest);
    }
    int block = freeStack[--free];
    assert references[block - first] == 0 && !indexed[block - first] && leases[block - first] == 0;
    references[block - first] = 1;
    return block;
  }

  /** The cached block that is given away next once no block is free, or -1. */
  public int oldestCached() {
    return unleased.size() > 0 ? unleased.oldest() : leased.oldest();
  }

  /** Frees a cached block; its contents leave the index, other copies of them stay. */
  public void drop(int block) {
    assert references[block - first] == 0 && indexed[block - first] : "not cached: " + block;
    listOf(block).remove(block);
    indexed[block - first] = false;
    index.remove(block);
    free(block);
  }

  private void free(int block) {
    leases[block - first] = 0;
    freeStack[free++] = block;
  }

  private BlockList listOf(int block) {
    return leases[block - first] > 0 ? leased : unleased;
  }

  /** Adds a reference to a block that is held or cached. */
  public void retain(int block) {
    if (references[block - first]++ == 0) {
      assert indexed[block - first] : "a free block cannot be revived: " + block;
      listOf(block).remove(block);
    }
  }

  /**
   * Drops a reference; the last one makes the block cached if its contents are indexed, else free.
   */
  public void release(int block) {
    assert references[block - first] > 0 : "released more often than retained: " + block;
    if (--references[block - first] == 0) {
      returned++;
      if (indexed[block - first]) {
        listOf(block).add(block);
      } else {
        free(block);
      }
    }
  }

  /** How many references a block has. */
  public int references(int block) {
    return references[block - first];
  }

  /**
   * Adds a lease to a block that is held or cached; leases of several owners add up. A cached block
   * becomes the most recently released of the leased ones. All leases end when the block is given
   * away or dropped, or released without being findable.
   */
  public void lease(int block) {
    assert references[block - first] > 0 || indexed[block - first] : "free: " + block;
    if (leases[block - first]++ == 0 && isCached(block)) {
      unleased.remove(block);
      leased.add(block);
    }
  }

  /**
   * Takes a lease off a block; none where there is none. A cached block without leases becomes the
   * most recently released of the others, so a context's blocks are unleased as they are released:
   * from the last to the first. Whether the block still is what was leased, {@link
   * PrefixIndex#holds} tells.
   */
  public void unlease(int block) {
    if (leases[block - first] > 0 && --leases[block - first] == 0 && isCached(block)) {
      leased.remove(block);
      unleased.add(block);
    }
  }

  private boolean isCached(int block) {
    return references[block - first] == 0 && indexed[block - first];
  }

  /** Drops every cached block's contents. */
  public void clearCached() {
    while (cached() > 0) {
      drop(oldestCached());
    }
  }

  /** Marks a held block as findable. Called by whoever puts it into the index. */
  public void markIndexed(int block) {
    assert references[block - first] > 0 && !indexed[block - first];
    indexed[block - first] = true;
  }

  /**
   * Checks that every block is in exactly one state and that what is findable is in the index; for
   * assertions and tests. Costs a pass over all blocks.
   */
  public boolean consistent() {
    boolean[] seen = new boolean[capacity()];
    for (int i = 0; i < free; i++) {
      int at = freeStack[i] - first;
      if (seen[at] || references[at] != 0 || indexed[at] || leases[at] != 0) {
        return false;
      }
      seen[at] = true;
    }
    if (!consistent(unleased, seen) || !consistent(leased, seen)) {
      return false;
    }
    int referenced = 0;
    for (int at = 0; at < capacity(); at++) {
      referenced += references[at] > 0 ? 1 : 0;
      if (references[at] < 0 || leases[at] < 0 || indexed[at] != index.contains(first + at)) {
        return false;
      }
    }
    return referenced == held();
  }

  private boolean consistent(BlockList list, boolean[] seen) {
    int listed = 0;
    for (int block = list.oldest(); block != NONE; block = list.after(block)) {
      int at = block - first;
      if (seen[at] || !isCached(block) || listOf(block) != list) {
        return false;
      }
      seen[at] = true;
      listed++;
    }
    return listed == list.size();
  }
}
