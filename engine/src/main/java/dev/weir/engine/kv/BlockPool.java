package dev.weir.engine.kv;

import java.util.Arrays;

/**
 * The KV blocks of one shard, numbered in one row. A block is in exactly one of three states:
 * <i>free</i> (holds nothing), <i>held</i> (referenced by one or more sequences), or <i>cached</i>
 * (referenced by none, but its contents are in the prefix index and may be revived). Cached blocks
 * are given away in least-recently-released order when free ones run out. As a sequence releases
 * its blocks from the last to the first, a block is always given away before the blocks it
 * continues.
 */
public final class BlockPool {
  private static final int NONE = -1;

  private final int first;
  private final int[] references;
  private final boolean[] indexed;
  private final int[] freeStack;
  private int free;

  // The cached blocks as a doubly linked list, oldest release first.
  private final int[] older;
  private final int[] newer;
  private int oldest = NONE;
  private int newest = NONE;
  private int cached;

  private final PrefixIndex index;

  /**
   * @param first the number of the pool's first block
   * @param capacity how many blocks there are
   * @param index where contents of this pool's blocks are found again
   */
  public BlockPool(int first, int capacity, PrefixIndex index) {
    this.first = first;
    references = new int[capacity];
    indexed = new boolean[capacity];
    older = new int[capacity];
    newer = new int[capacity];
    freeStack = new int[capacity];
    for (int i = 0; i < capacity; i++) {
      freeStack[i] = first + capacity - 1 - i; // low numbers first: tests and dumps read better
    }
    free = capacity;
    Arrays.fill(older, NONE);
    Arrays.fill(newer, NONE);
    this.index = index;
  }

  /** How many blocks there are. */
  public int capacity() {
    return references.length;
  }

  /** Blocks that could be allocated now: free ones and cached ones. */
  public int available() {
    return free + cached;
  }

  /** Blocks whose contents could be revived, held by nobody. */
  public int cached() {
    return cached;
  }

  /** Blocks that sequences hold. */
  public int held() {
    return references.length - free - cached;
  }

  /**
   * A block for one new reference; its old contents leave the index.
   *
   * @return the block, or -1 if every block is held
   */
  public int allocate() {
    int block;
    if (free > 0) {
      block = freeStack[--free];
    } else if (oldest != NONE) {
      block = oldest;
      unlink(block);
      forget(block);
    } else {
      return NONE;
    }
    assert references[block - first] == 0 && !indexed[block - first];
    references[block - first] = 1;
    return block;
  }

  /** Adds a reference to a block that is held or cached. */
  public void retain(int block) {
    if (references[block - first]++ == 0) {
      assert indexed[block - first] : "a free block cannot be revived: " + block;
      unlink(block);
    }
  }

  /**
   * Drops a reference; the last one makes the block cached if its contents are indexed, else free.
   */
  public void release(int block) {
    assert references[block - first] > 0 : "released more often than retained: " + block;
    if (--references[block - first] == 0) {
      if (indexed[block - first]) {
        link(block);
      } else {
        freeStack[free++] = block;
      }
    }
  }

  /** How many references a block has. */
  public int references(int block) {
    return references[block - first];
  }

  /** Drops every cached block's contents. */
  public void clearCached() {
    while (oldest != NONE) {
      int block = oldest;
      unlink(block);
      forget(block);
      freeStack[free++] = block;
    }
  }

  /** Marks a held block as findable. Called by whoever puts it into the index. */
  public void markIndexed(int block) {
    assert references[block - first] > 0 && !indexed[block - first];
    indexed[block - first] = true;
  }

  private void forget(int block) {
    indexed[block - first] = false;
    index.remove(block);
  }

  private void link(int block) {
    older[block - first] = newest;
    newer[block - first] = NONE;
    if (newest == NONE) {
      oldest = block;
    } else {
      newer[newest - first] = block;
    }
    newest = block;
    cached++;
  }

  private void unlink(int block) {
    int before = older[block - first];
    int after = newer[block - first];
    if (before == NONE) {
      oldest = after;
    } else {
      newer[before - first] = after;
    }
    if (after == NONE) {
      newest = before;
    } else {
      older[after - first] = before;
    }
    cached--;
  }

  /**
   * Checks that every block is in exactly one state; for assertions and tests. Costs a pass over
   * all blocks.
   */
  public boolean consistent() {
    boolean[] seen = new boolean[capacity()];
    for (int i = 0; i < free; i++) {
      int at = freeStack[i] - first;
      if (seen[at] || references[at] != 0 || indexed[at]) {
        return false;
      }
      seen[at] = true;
    }
    int listed = 0;
    for (int block = oldest; block != NONE; block = newer[block - first]) {
      int at = block - first;
      if (seen[at] || references[at] != 0 || !indexed[at]) {
        return false;
      }
      seen[at] = true;
      listed++;
    }
    int referenced = 0;
    for (int count : references) {
      referenced += count > 0 ? 1 : 0;
    }
    return listed == cached && referenced + free + cached == capacity();
  }
}
