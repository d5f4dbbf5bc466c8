package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;

/**
 * Launches {@code activation.cu}: a whole number of blocks per row. Sizes of buffers were checked.
 */
final class CudaActivation {
  /** Elements of a block: 256 threads with 8 each. */
  private static final int BLOCK = 256 * 8;

  private static final int ARGUMENTS = 3;

  private final Stream stream;
  private final Launch gated;

  CudaActivation(Module module, Stream stream, DType activation) {
    this.stream = stream;
    String type = activation == DType.F16 ? "f16" : "bf16";
    gated = new Launch(module, "gated_activation_" + type, ARGUMENTS);
  }

  void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
    gated
        .set(0, gateUp.address())
        .set(1, out.address())
        .set(2, width)
        .grid(Math.multiplyExact(rows, Math.ceilDiv(width, BLOCK)), 1, 1)
        .on(stream);
  }
}
