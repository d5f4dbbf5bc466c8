package dev.weir.tests.bench.load;

/** A server did not do what a benchmark needs, so that nothing was measured. */
final class BenchFailedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private BenchFailedException(String message) {
    super(message);
  }

  static void unless(boolean holds, String message) {
    if (!holds) {
      throw new BenchFailedException(message);
    }
  }
}
