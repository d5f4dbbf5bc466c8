package dev.weir.tests.bench.load;

import java.util.Arrays;

/** Numbers in ascending order. */
record Values(double[] ascending) {

  static Values of(double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return new Values(sorted);
  }

  int count() {
    return ascending.length;
  }

  /**
   * The smallest value that at least a share of {@code q} of all do not exceed (nearest rank); NaN
   * if there are none.
   *
   * @param q above 0, at most 1
   */
  double quantile(double q) {
    if (ascending.length == 0) {
      return Double.NaN;
    }
    int rank = (int) Math.ceil(q * ascending.length);
    return ascending[Math.clamp(rank - 1, 0, ascending.length - 1)];
  }

  /** The middle one, or the mean of the two in the middle. */
  double median() {
    if (ascending.length == 0) {
      return Double.NaN;
    }
    int middle = ascending.length / 2;
    return ascending.length % 2 == 1
        ? ascending[middle]
        : (ascending[middle - 1] + ascending[middle]) / 2;
  }

  double mean() {
    return Arrays.stream(ascending).average().orElse(Double.NaN);
  }

  double max() {
    return quantile(1);
  }
}
