package dev.weir.kernels;

/**
 * The shape of one layer's attention.
 *
 * @param heads query heads, a multiple of {@code kvHeads}
 * @param kvHeads key/value heads
 * @param headDim elements per head, even
 * @param scale what scores are multiplied by, usually 1/sqrt(headDim)
 * @param window sliding window: a query at position p sees positions p-window+1 … p; {@link
 *     #NO_WINDOW} for all
 * @param softCap scores become softCap * tanh(score / softCap); 0 for none
 */
public record AttentionShape(
    int heads, int kvHeads, int headDim, float scale, int window, float softCap) {

  /** A window no position reaches. */
  public static final int NO_WINDOW = Integer.MAX_VALUE;

  /**
   * Positions whose partial result is computed by itself and then folded, in order: a long context
   * can be split at multiples of this between threads without a change to any bit. 16 tiles: long
   * enough that the fold costs nothing, short enough to split a few thousand positions.
   */
  public static final int SEGMENT_TOKENS = 1024;

  /** Elements of one token's fused query, key and value row. */
  public int qkvColumns() {
    return (heads + 2 * kvHeads) * headDim;
  }
}
