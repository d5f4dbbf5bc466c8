package dev.weir.kernels.reference;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;

/**
 * Where this device keeps keys and values: inside one head's tile, token after token, element after
 * element.
 */
final class KvTiles {
  private KvTiles() {}

  /** Element offset of the keys of one head in one block. */
  static long keys(KvArena cache, int block, int layer, int kvHead) {
    KvShape shape = cache.shape();
    long tile = (long) KvShape.BLOCK_TOKENS * shape.headDim();
    return (((long) block * shape.layers() + layer) * 2 * shape.kvHeads() + kvHead) * tile;
  }

  /** Element offset of the values of one head in one block. */
  static long values(KvArena cache, int block, int layer, int kvHead) {
    return keys(cache, block, layer, kvHead + cache.shape().kvHeads());
  }

  /** Rounds a token's row to the cache's type. */
  static void write(KvArena cache, long tile, int slot, float[] source, int at) {
    int headDim = cache.shape().headDim();
    Memory.narrow(
        cache.shape().type(), source, at, headDim, cache.memory(), tile + (long) slot * headDim);
  }

  /** Reads the rows of slots {@code first … last} to their place in a whole tile. */
  static void read(KvArena cache, long tile, int first, int last, float[] destination) {
    int headDim = cache.shape().headDim();
    Buffer memory = cache.memory();
    Memory.widen(
        cache.shape().type(),
        memory,
        tile + (long) first * headDim,
        destination,
        (last - first + 1) * headDim);
  }
}
