package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.weir.kernels.cuda.AnyLinear;
import dev.weir.kernels.cuda.CudaDevice;
import java.util.List;
import java.util.Random;

/** What a mutated kernel is put to: op tests that use it, in a few seconds of emulation. */
enum OpCheck {
  LINEAR,
  NORM,
  ACTIVATION,
  SAMPLE,
  LOGPROBS,
  ATTENTION,
  COPY;

  /** Outputs and columns: one segment and several, which end anywhere. */
  private static final int[][] WEIGHTS = {{20, 37}, {130, 1104}};

  private static final int NO_WINDOW = AttentionShape.NO_WINDOW;
  private static final int SEGMENT = AttentionShape.SEGMENT_TOKENS;

  /** Tokens of each sequence that come one by one. */
  private static final int DECODED = 5;

  /** Of BF16 queries, weights and outputs. */
  private static final double ATTENTION_TOLERANCE = 0.03;

  /**
   * @throws AssertionError if a result is wrong
   */
  void run(DeviceCase device) {
    switch (this) {
      case LINEAR -> linear(device);
      case NORM ->
          new NormAndActivationTest().a_norm_after_a_residual_add_is_close_to_float64(device);
      case ACTIVATION ->
          new NormAndActivationTest()
              .a_gated_activation_is_close_to_float64_also_where_silu_saturates(device);
      case SAMPLE -> new SampleTest().random_rows_draw_what_the_float64_oracle_draws(device);
      case LOGPROBS -> new SampleTest().raw_logprobs_are_close_to_float64_and_in_order(device);
      case ATTENTION -> attention(device);
      case COPY -> new StepChecksTest().blocks_are_copied_whole_and_only_inside_the_arena(device);
    }
  }

  private static void linear(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (int[] shape : WEIGHTS) {
        int outputs = shape[0];
        int columns = shape[1];
        int rows = AnyLinear.rows();
        Random random = Seeds.random(columns);
        float[] weights =
            DeviceFixture.rounded(
                device.weights(), DeviceFixture.normals(random, outputs * columns));
        float[] in = fixture.rounded(DeviceFixture.normals(random, rows * columns));
        float[] out =
            AnyLinear.assertSameLogits(
                (CudaDevice) fixture.device,
                device.weights(),
                fixture.weight(device.weights(), outputs, columns, weights),
                fixture.activations(in));
        for (int t = 0; t < rows; t++) {
          for (int n = 0; n < outputs; n++) {
            double expected = Float64.dot(in, t * columns, weights, n * columns, columns);
            assertThat((double) out[t * outputs + n])
                .as("output %d of row %d", n, t)
                .isCloseTo(expected, within(0x1p-18 * columns));
          }
        }
      }
    }
  }

  /** Prefill and decode, with and without a window and a cap, and across segments. */
  private static void attention(DeviceCase device) {
    List<AttentionRun> runs =
        List.of(
            attentionRun(new AttentionShape(4, 2, 64, 0.125f, NO_WINDOW, 0), 1, 65, 130),
            attentionRun(new AttentionShape(6, 1, 96, 0.1f, 70, 5), 40, 129),
            attentionRun(new AttentionShape(2, 1, 32, 0.2f, NO_WINDOW, 0), 2 * SEGMENT + 70));
    for (AttentionRun run : runs) {
      try (DeviceFixture fixture = device.open()) {
        List<float[]> whole = run.run(fixture, run.oneByOne(), Seeds.random(1)).attention();
        List<float[]> decoded =
            run.run(fixture, run.prefillThenDecode(DECODED), Seeds.random(2)).attention();
        for (int s = 0; s < run.sequences.size(); s++) {
          assertThat(decoded.get(s)).as("sequence %d", s).isEqualTo(whole.get(s));
          double[][] expected = Float64.attention(run, run.sequences.get(s));
          for (int i = 0; i < whole.get(s).length; i++) {
            int dim = run.shape.headDim();
            double value = expected[i / dim][i % dim];
            double allowed = ATTENTION_TOLERANCE * Math.max(1, Math.abs(value));
            if (!(Math.abs(whole.get(s)[i] - value) <= allowed)) {
              assertThat((double) whole.get(s)[i])
                  .as("sequence %d, element %d", s, i)
                  .isCloseTo(value, within(allowed));
            }
          }
        }
      }
    }
  }

  private static AttentionRun attentionRun(AttentionShape shape, int... lengths) {
    return new AttentionRun(Seeds.random(shape.headDim()), shape, 32, true, lengths);
  }
}
