package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.StepInputs;

/** Launches {@code embed.cu}: a block per row. Sizes of buffers were checked. */
final class CudaEmbed {
  private static final int EMBED_ARGUMENTS = 7;
  private static final int PACK_ARGUMENTS = 5;

  private final Stream stream;
  private final Launch embed;
  private final Launch pack;

  CudaEmbed(Module module, Stream stream) {
    this.stream = stream;
    embed = new Launch(module, "embed", EMBED_ARGUMENTS);
    pack = new Launch(module, "pack_rows", PACK_ARGUMENTS);
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

  /**
   * Packs rows.
   *
   * @param source address of {@code count} row-major rows on the device
   */
  void pack(LinearWeight weight, int firstRow, int count, long source) {
    pack.set(0, source)
        .set(1, weight.packed().address())
        .set(2, firstRow)
        .set(3, count)
        .set(4, weight.columns())
        .grid(count, 1, 1)
        .on(stream);
  }
}
