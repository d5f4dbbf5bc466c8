package dev.weir.kernels.cuda;

/**
 * The packed form of a weight [N][K] of 16-bit elements, and the order of its sums, as {@code
 * packed.h} and {@code linear.cu} have them. Both are functions of N and K alone: what the device
 * is, and how many tokens there are, must never show in a result.
 */
final class PackedWeights {
  /** The outputs of a block: N is padded to a multiple. */
  static final int OUTPUTS = 128;

  /** Inputs between two places where a segment may end: K is padded to a multiple. */
  static final int COLUMNS = 64;

  /** A warp of {@code linear_8} takes one segment, and a block has 8 warps. */
  static final int MAX_SEGMENTS = 8;

  /** A segment is so long that to sum it takes longer than to add it to the others. */
  static final int LEAST_SEGMENT = 256;

  /**
   * What N times segments should reach: 128 blocks of {@value #OUTPUTS} outputs, about one for each
   * multiprocessor of the GPUs that this was made for, so that few tokens read a weight with all of
   * them.
   */
  static final int SPREAD_OUTPUTS = 128 * OUTPUTS;

  private static final int ELEMENT_BYTES = 2;

  private PackedWeights() {}

  /** Bytes of a packed weight. */
  static long bytes(int outputs, int columns) {
    return roundUp(outputs, OUTPUTS) * roundUp(columns, COLUMNS) * ELEMENT_BYTES;
  }

  /** Inputs of a segment; the last one may have fewer. */
  static int segmentColumns(int outputs, int columns) {
    int wanted = 1;
    while (wanted < MAX_SEGMENTS && (long) wanted * outputs < SPREAD_OUTPUTS) {
      wanted *= 2;
    }
    int most = Integer.highestOneBit(Math.max(1, columns / LEAST_SEGMENT));
    int chunks = Math.ceilDiv(columns, COLUMNS);
    return Math.ceilDiv(chunks, Math.min(wanted, most)) * COLUMNS;
  }

  /** How many segments there are: 1 to {@value #MAX_SEGMENTS}. */
  static int segments(int outputs, int columns) {
    return Math.ceilDiv(columns, segmentColumns(outputs, columns));
  }

  private static long roundUp(int value, int multiple) {
    return Math.ceilDiv((long) value, multiple) * multiple;
  }
}
