package dev.weir.engine.kv;

/**
 * The blocks of one sequence, in order of position: entry i holds tokens {@code i * BLOCK_TOKENS}
 * and on. Its capacity is fixed when it is made, so that nothing is allocated while a sequence
 * grows.
 */
public final class BlockTable {
  private final int[] blocks;
  private int size;

  public BlockTable(int capacity) {
    blocks = new int[capacity];
  }

  /** How many blocks there are. */
  public int size() {
    return size;
  }

  /** The block at an index below {@link #size}. */
  public int get(int index) {
    assert index < size : index + " of " + size;
    return blocks[index];
  }

  /** Appends a block. */
  public void add(int block) {
    blocks[size++] = block;
  }

  /** Takes the last block off. */
  public int removeLast() {
    return blocks[--size];
  }
}
