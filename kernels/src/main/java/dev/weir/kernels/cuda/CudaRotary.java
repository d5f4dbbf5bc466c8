package dev.weir.kernels.cuda;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.UnsupportedShapeException;
import org.jspecify.annotations.Nullable;

/** Launches {@code rotary.cu}: a warp for two heads of a token. Sizes of buffers were checked. */
final class CudaRotary {
  private static final int ARGUMENTS = CudaCache.ARGUMENTS + 8;

  /** Heads of a token that a block takes: 8 warps, 2 heads each. */
  private static final int BLOCK_HEADS = 16;

  /** Two halves of whole words, a word being two elements. */
  private static final int ROTARY_MULTIPLE = 4;

  private final Stream stream;
  private final Launch rotate;

  CudaRotary(Module module, Stream stream, DType activation) {
    this.stream = stream;
    String type = activation == DType.F16 ? "f16" : "bf16";
    rotate = new Launch(module, "rotate_and_cache_" + type, ARGUMENTS);
  }

  /**
   * @throws UnsupportedShapeException if the kernel cannot rotate heads so
   */
  static void requireSupported(RotaryTable rotary) {
    if (rotary.rotaryDim() % ROTARY_MULTIPLE != 0) {
      throw new UnsupportedShapeException(
          "on a GPU a multiple of 4 elements of a head can be rotated, not " + rotary.rotaryDim());
    }
  }

  void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    int heads = shape.heads() + 2 * shape.kvHeads();
    CudaCache.set(rotate, step, cache, layer)
        .set(CudaCache.ARGUMENTS, qkv.address())
        .set(CudaCache.ARGUMENTS + 1, norm == null ? 0 : norm.query().address())
        .set(CudaCache.ARGUMENTS + 2, norm == null ? 0 : norm.key().address())
        .set(CudaCache.ARGUMENTS + 3, rotary.cosines().address())
        .set(CudaCache.ARGUMENTS + 4, rotary.sines().address())
        .set(CudaCache.ARGUMENTS + 5, shape.heads())
        .set(CudaCache.ARGUMENTS + 6, rotary.rotaryDim())
        .set(CudaCache.ARGUMENTS + 7, norm == null ? 0.0 : (double) norm.epsilon())
        .grid(step.tokens(), Math.ceilDiv(heads, BLOCK_HEADS), 1)
        .on(stream);
  }
}
