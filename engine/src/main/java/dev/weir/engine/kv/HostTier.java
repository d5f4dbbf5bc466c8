package dev.weir.engine.kv;

import java.lang.foreign.MemorySegment;

/**
 * KV blocks in host memory, where contents wait that a device had to give away. They are numbered
 * behind the devices' blocks and found through the same index: a spilled block is a copy of its
 * source, and stays when that is given away. Bookkeeping alone; whoever owns it copies the bytes.
 *
 * <p>A spill: {@link #allocate}, copy into {@link #segment}, then {@link #keep} while the source is
 * still held, or {@link #abandon}. A restore: {@code pool().retain}, copy out of {@link #segment},
 * {@code pool().release}.
 */
public final class HostTier {
  private final BlockPool pool;
  private final PrefixIndex index;
  private final MemorySegment[] segments;

  /**
   * @param first the number of its first block: how many the devices have
   * @param memory whole blocks, one behind another; none for no tier
   * @param blockBytes bytes of one block
   * @param index of all blocks
   */
  public HostTier(int first, MemorySegment memory, long blockBytes, PrefixIndex index) {
    if (blockBytes < 1 || memory.byteSize() % blockBytes != 0) {
      throw new IllegalArgumentException(
          memory.byteSize() + " bytes are no blocks of " + blockBytes + " bytes");
    }
    // One object for each block now, and none later.
    segments = new MemorySegment[Math.toIntExact(memory.byteSize() / blockBytes)];
    for (int i = 0; i < segments.length; i++) {
      segments[i] = memory.asSlice(i * blockBytes, blockBytes);
    }
    pool = new BlockPool(first, segments.length, index);
    this.index = index;
  }

  /** Its blocks. */
  public BlockPool pool() {
    return pool;
  }

  /** The tier's copy of an indexed block's contents, or -1. */
  public int copyOf(int block) {
    return index.copyIn(block, pool.first(), pool.first() + pool.capacity());
  }

  /** The memory of a block. */
  public MemorySegment segment(int block) {
    return segments[block - pool.first()];
  }

  /**
   * A block to spill into, held by the caller; the oldest contents go where none is free.
   *
   * @return the block, or -1 if copies are on their way into and out of all of them
   */
  public int allocate() {
    return pool.allocate();
  }

  /**
   * Makes a block that was allocated, and filled since, findable, and lets go of it.
   *
   * @param source what it is a copy of: a block that is in the index
   */
  public void keep(int block, int source) {
    index.addCopy(block, source);
    pool.markIndexed(block);
    pool.release(block);
  }

  /** Lets go of a block that was allocated and not filled. */
  public void abandon(int block) {
    pool.release(block);
  }
}
