package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleChecks;
import java.lang.invoke.MethodHandle;

/** The sampling of tokens. */
final class SampleCalls {
  /** (device, rows, vocabulary, logits, parameters, biases, penalties, masks, results). */
  private static final MethodHandle SAMPLE =
      NativeLibrary.operation(
          "weir_sample",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG);

  private SampleCalls() {}

  static void sample(
      long device,
      int rows,
      int vocabulary,
      Buffer logits,
      SampleBuffers parameters,
      Buffer results) {
    String op = "sample";
    SampleChecks.sampled(rows, vocabulary, logits, parameters, results);
    if (rows == 0) {
      return;
    }
    long elements = (long) rows * vocabulary;
    int status;
    try {
      status =
          (int)
              SAMPLE.invokeExact(
                  device,
                  (long) rows,
                  (long) vocabulary,
                  Checks.address(logits, elements, Float.BYTES, op, "logits"),
                  Checks.address(parameters.rows(), 0, 1, op, "rows"),
                  Checks.address(parameters.biases(), 0, 1, op, "biases"),
                  Checks.address(parameters.penalties(), 0, 1, op, "penalties"),
                  Checks.address(parameters.masks(), 0, 1, op, "masks"),
                  Checks.address(results, 0, 1, op, "results"));
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }
}
