package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.UnsupportedShapeException;
import org.jspecify.annotations.Nullable;

/** Launches {@code norm.cu}: a block per row. Sizes of buffers were checked. */
final class CudaNorm {
  /** The kernel's 256 threads hold 4 vectors of 8 elements each. */
  static final int MAX_DIM = 8192;

  private static final int ARGUMENTS = 6;
  private static final int GATHER_ARGUMENTS = 8;

  private final Stream stream;
  private final Launch norm;
  private final Launch gather;

  CudaNorm(Module module, Stream stream, DType activation) {
    this.stream = stream;
    String type = activation == DType.F16 ? "f16" : "bf16";
    norm = new Launch(module, "add_rms_norm_" + type, ARGUMENTS);
    gather = new Launch(module, "gather_add_rms_norm_" + type, GATHER_ARGUMENTS);
  }

  /**
   * @throws UnsupportedShapeException if a row is longer than a block holds
   */
  static void requireSupported(int dim) {
    if (dim > MAX_DIM) {
      throw new UnsupportedShapeException(
          "a norm over " + dim + " elements; on a GPU at most " + MAX_DIM + " can be normed");
    }
  }

  void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    norm.set(0, residual.address())
        .set(1, delta == null ? 0 : delta.address())
        .set(2, weight.address())
        .set(3, out.address())
        .set(4, dim)
        .set(5, (double) epsilon)
        .grid(rows, 1, 1)
        .on(stream);
  }

  /** Rows behind those that the step samples become zeros. */
  void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    gather
        .set(0, residual.address())
        .set(1, delta.address())
        .set(2, weight.address())
        .set(3, out.address())
        .set(4, dim)
        .set(5, (double) epsilon)
        .set(6, step.counts().address())
        .set(7, step.sampleRows().address())
        .grid(step.samples(), 1, 1)
        .on(stream);
  }
}
