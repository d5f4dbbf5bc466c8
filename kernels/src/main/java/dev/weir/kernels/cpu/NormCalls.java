package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.StepInputs;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/** The norms between layers, and the gated activation. */
final class NormCalls {
  /** (device, rows, dim, residual, delta, weight, epsilon, out). */
  private static final MethodHandle ADD_RMS_NORM =
      NativeLibrary.operation(
          "weir_add_rms_norm",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_FLOAT,
          JAVA_LONG);

  /** (device, count, rows, tokens, dim, residual, delta, weight, epsilon, out). */
  private static final MethodHandle GATHER_ADD_RMS_NORM =
      NativeLibrary.operation(
          "weir_gather_add_rms_norm",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_FLOAT,
          JAVA_LONG);

  /** (device, rows, width, gateUp, out). */
  private static final MethodHandle GATED_ACTIVATION =
      NativeLibrary.operation(
          "weir_gated_activation", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private NormCalls() {}

  static void addRmsNorm(
      long device,
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    String op = "addRmsNorm";
    Checks.notNegative(rows, op, "rows");
    Checks.positive(dim, op, "dim");
    if (rows == 0) {
      return;
    }
    long elements = (long) rows * dim;
    long residuals = Checks.address(residual, elements, Float.BYTES, op, "residual");
    long deltas = Checks.optionalAddress(delta, elements, Float.BYTES, op, "delta");
    long weights = Checks.address(weight, dim, Float.BYTES, op, "weight");
    long to = Checks.address(out, elements, Float.BYTES, op, "out");
    int status;
    try {
      status =
          (int)
              ADD_RMS_NORM.invokeExact(
                  device, (long) rows, (long) dim, residuals, deltas, weights, epsilon, to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }

  static void gatherAddRmsNorm(
      long device,
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    String op = "gatherAddRmsNorm";
    Checks.positive(dim, op, "dim");
    if (step.samples() == 0) {
      return;
    }
    long elements = (long) step.tokens() * dim;
    long rows = Checks.address(step.sampleRows(), step.samples(), Integer.BYTES, op, "sampleRows");
    long residuals = Checks.address(residual, elements, Float.BYTES, op, "residual");
    long deltas = Checks.address(delta, elements, Float.BYTES, op, "delta");
    long weights = Checks.address(weight, dim, Float.BYTES, op, "weight");
    long to = Checks.address(out, (long) step.samples() * dim, Float.BYTES, op, "out");
    int status;
    try {
      status =
          (int)
              GATHER_ADD_RMS_NORM.invokeExact(
                  device,
                  (long) step.samples(),
                  rows,
                  (long) step.tokens(),
                  (long) dim,
                  residuals,
                  deltas,
                  weights,
                  epsilon,
                  to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }

  static void gatedActivation(long device, int rows, int width, Buffer gateUp, Buffer out) {
    String op = "gatedActivation";
    Checks.notNegative(rows, op, "rows");
    Checks.positive(width, op, "width");
    if (rows == 0) {
      return;
    }
    long from = Checks.address(gateUp, 2L * rows * width, Float.BYTES, op, "gateUp");
    long to = Checks.address(out, (long) rows * width, Float.BYTES, op, "out");
    int status;
    try {
      status = (int) GATED_ACTIVATION.invokeExact(device, (long) rows, (long) width, from, to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }
}
