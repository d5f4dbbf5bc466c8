package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.StepInputs;

/** Launches {@code embed.cu}: a block per row. Sizes of buffers were checked. */
final class CudaEmbed {
  private static final int ARGUMENTS = 7;

  private final Stream stream;
  private final Launch embed;

  CudaEmbed(Module module, Stream stream) {
    this.stream = stream;
    embed = new Launch(module, "embed", ARGUMENTS);
  }

  /** Rows of tokens outside the vocabulary, and those behind the step's, become zeros. */
  void embed(StepInputs step, LinearWeight table, Buffer out) {
    Buffer drawn = step.drawn();
    embed
        .set(0, step.counts().address())
        .set(1, step.tokenIds().address())
        .set(2, drawn == null ? 0 : drawn.address())
        .set(3, table.packed().address())
        .set(4, out.address())
        .set(5, table.rows())
        .set(6, table.columns())
        .grid(step.tokens(), 1, 1)
        .on(stream);
  }
}
