package dev.weir.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** A product by whichever kernel of {@code linear.cu}. */
public final class AnyLinear {
  /** Of so many multiprocessors that tiles are small, and of so few that they are large. */
  private static final int[] MULTIPROCESSORS = {1, 132};

  /** Of as many tokens as each of the kernels takes, and none a whole tile. */
  private static final int[] ROWS = {250, 129, 61, 31, 12, 3, 1};

  private AnyLinear() {}

  /** The most rows that {@link #assertSameLogits} takes. */
  public static int rows() {
    return ROWS[0];
  }

  /**
   * Each token's logits are the same bits, whichever kernel computes them.
   *
   * @param in {@link #rows} tokens
   * @param type of weights
   * @return the logits: [rows][outputs]
   */
  public static float[] assertSameLogits(
      CudaDevice device, DType type, LinearWeight weight, Buffer in) {
    int outputs = weight.rows();
    float[] expected = new float[0];
    for (int multiprocessors : MULTIPROCESSORS) {
      DeviceBuffer scratch = device.allocate(CudaLinear.SCRATCH_BYTES, "scratch");
      CudaLinear linear =
          new CudaLinear(device.module("linear"), device.stream(), multiprocessors, type, scratch);
      for (int rows : ROWS) {
        Buffer out = device.allocate((long) rows * outputs * Float.BYTES, "logits");
        linear.logits(rows, in, weight, out);
        float[] logits = new float[rows * outputs];
        device.read(out, 0, MemorySegment.ofArray(logits));
        device.free(out);
        if (expected.length == 0) {
          expected = logits;
        }
        assertThat(logits)
            .as("logits of %d rows on %d multiprocessors", rows, multiprocessors)
            .isEqualTo(Arrays.copyOf(expected, rows * outputs));
      }
      device.free(scratch);
    }
    return expected;
  }
}
