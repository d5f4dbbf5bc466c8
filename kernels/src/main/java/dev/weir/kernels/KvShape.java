package dev.weir.kernels;

/**
 * What one token leaves behind in the KV cache.
 *
 * @param layers transformer layers
 * @param kvHeads key/value heads per layer
 * @param headDim elements per head
 * @param type element type of keys and values
 */
public record KvShape(int layers, int kvHeads, int headDim, DType type) {

  /** Tokens per block. One TMA box per block on Hopper; small pages cost decode bandwidth. */
  public static final int BLOCK_TOKENS = 64;

  /** Bytes of one block: keys and values of {@link #BLOCK_TOKENS} tokens in all layers. */
  public long blockBytes() {
    return 2L * layers * kvHeads * headDim * BLOCK_TOKENS * type.bytes();
  }

  /** Bytes of one layer's keys and values inside a block. */
  public long layerBytes() {
    return blockBytes() / layers;
  }
}
