package dev.weir.engine.kv;

/**
 * Blocks in the order in which they were put here: a doubly linked list. A block is in one list at
 * most, so lists of one pool share their links.
 */
final class BlockList {
  static final int NONE = -1;

  /** What each block of a pool is linked to, by its number in the pool. */
  static final class Links {
    private final int first;
    private final int[] older;
    private final int[] newer;

    Links(int first, int capacity) {
      this.first = first;
      older = new int[capacity];
      newer = new int[capacity];
    }
  }

  private final Links links;
  private int oldest = NONE;
  private int newest = NONE;
  private int size;

  BlockList(Links links) {
    this.links = links;
  }

  int size() {
    return size;
  }

  /** What was put here before all others, or -1. */
  int oldest() {
    return oldest;
  }

  /** What was put here next after a block of this list, or -1. */
  int after(int block) {
    return links.newer[block - links.first];
  }

  void add(int block) {
    links.older[block - links.first] = newest;
    links.newer[block - links.first] = NONE;
    if (newest == NONE) {
      oldest = block;
    } else {
      links.newer[newest - links.first] = block;
    }
    newest = block;
    size++;
  }

  void remove(int block) {
    int before = links.older[block - links.first];
    int after = links.newer[block - links.first];
    if (before == NONE) {
      oldest = after;
    } else {
      links.newer[before - links.first] = after;
    }
    if (after == NONE) {
      newest = before;
    } else {
      links.older[after - links.first] = before;
    }
    size--;
  }
}
