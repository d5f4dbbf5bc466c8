package dev.weir.bindings;

import dev.weir.bindings.cuda.CudaDriver;

/** Run in a JVM of its own: prints why there is no driver, or what its {@code cuInit} returns. */
final class DriverProbe {
  /** Handed to {@code cuInit}, so that a driver made for a test can show that it was called. */
  static final int FLAGS = 7;

  private DriverProbe() {}

  @SuppressWarnings("SystemOut") // The parent reads it.
  public static void main(String[] arguments) {
    System.out.println(
        CudaDriverLibrary.missing().orElseGet(() -> "cuInit: " + CudaDriver.cuInit(FLAGS)));
  }
}
