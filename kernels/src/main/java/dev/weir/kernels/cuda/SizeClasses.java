package dev.weir.kernels.cuda;

/**
 * The sizes that steps are recorded for: a step runs in the smallest that holds it. Rows that it
 * does not fill are computed and thrown away, so classes are close where a row is dear: up to 512
 * rows at most 63 are wasted, above that an eighth.
 */
final class SizeClasses {
  private static final int[] SMALL = {0, 1, 2, 4, 8, 16, 24, 32, 48, 64};
  private static final int MEDIUM_STEP = 64;
  private static final int LARGEST_MEDIUM = 512;

  /** Classes between two powers of two above {@link #LARGEST_MEDIUM}. */
  private static final int CLASSES_PER_OCTAVE = 8;

  private SizeClasses() {}

  /**
   * The class of a count.
   *
   * @param most the largest count, which is a class of its own
   */
  static int of(int count, int most) {
    if (count < 0 || count > most) {
      throw new IllegalArgumentException(
          "a step of "
              + count
              + " rows where at most "
              + most
              + " were reserved; call reserve with the largest step");
    }
    return Math.min(roundedUp(count), most);
  }

  private static int roundedUp(int count) {
    for (int size : SMALL) {
      if (count <= size) {
        return size;
      }
    }
    int step =
        count <= LARGEST_MEDIUM
            ? MEDIUM_STEP
            : Integer.highestOneBit(count - 1) / CLASSES_PER_OCTAVE;
    return Math.ceilDiv(count, step) * step;
  }
}
