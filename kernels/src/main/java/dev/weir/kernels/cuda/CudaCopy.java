package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;

/** Launches {@code copy.cu}. Sizes of buffers and block numbers were checked. */
final class CudaCopy {
  private static final int ARGUMENTS = 5;

  /** What a block of threads copies at once: 256 threads, four times 16 bytes. */
  private static final int BLOCK_BYTES = 256 * 4 * 16;

  /** Blocks of threads on a multiprocessor: as many as its 2048 threads make. */
  private static final int BLOCKS_PER_MULTIPROCESSOR = 8;

  private final Stream stream;
  private final int mostBlocks;
  private final Launch copy;

  CudaCopy(Module module, Stream stream, int multiprocessors) {
    this.stream = stream;
    mostBlocks = BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
    copy = new Launch(module, "copy_blocks", ARGUMENTS);
  }

  /** Copies block to block inside the arena, pair after pair. */
  void copyBlocks(KvArena cache, int count, Buffer pairs) {
    long arena = cache.memory().address();
    copy(arena, arena, count, pairs, cache.shape().blockBytes());
  }

  /**
   * The same between two arrays of blocks: from an arena to a buffer of blocks, say, or back.
   *
   * @param pairs I32 [count][2]: a block of the source, a block of the destination
   * @param blockBytes a multiple of 16
   */
  void copy(long source, long destination, int count, Buffer pairs, long blockBytes) {
    long blocks = Math.min(Math.ceilDiv(blockBytes, BLOCK_BYTES), mostBlocks);
    copy.set(0, source)
        .set(1, destination)
        .set(2, pairs.address())
        .set(3, count)
        .set(4, blockBytes)
        .grid(Math.toIntExact(blocks), 1, 1)
        .on(stream);
  }
}
