package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.weir.kernels.cuda.AnyLinear;
import dev.weir.kernels.cuda.CudaDevice;
import java.util.Random;

/** What a mutated kernel is put to: op tests that use it, in a few seconds of emulation. */
enum OpCheck {
  LINEAR,
  NORM,
  ACTIVATION,
  SAMPLE,
  LOGPROBS;

  /** Outputs and columns: one segment and several, which end anywhere. */
  private static final int[][] WEIGHTS = {{20, 37}, {130, 1104}};

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
}
