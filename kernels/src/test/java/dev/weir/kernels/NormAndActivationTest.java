package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class NormAndActivationTest {
  private static final int[] DIMS = {2, 8, 10, 31, 64, 100, 288, 1024, 1031, 2304};

  /** What F16 still rounds to its largest number. */
  private static final double MAX_F16 = 65_519;

  /** Relative: 24 bits less what a sum of squares loses, or twice the rounding of the type. */
  private static double tolerance(DType type) {
    return switch (type) {
      case BF16 -> 0x1p-7;
      case F16 -> 0x1p-10;
      default -> 4e-6;
    };
  }

  static List<DeviceCase> devices() {
    return DeviceCase.all();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_norm_after_a_residual_add_is_close_to_float64(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (int dim : DIMS) {
        Random random = Seeds.random(dim);
        int rows = 1 + random.nextInt(9);
        float[] residual = fixture.rounded(DeviceFixture.normals(random, rows * dim));
        float[] delta = fixture.rounded(DeviceFixture.normals(random, rows * dim));
        float[] weight = DeviceFixture.normals(random, dim);
        Buffer residuals = fixture.activations(residual);
        Buffer out = fixture.activations(rows * dim);
        fixture.kernels.addRmsNorm(
            rows,
            dim,
            residuals,
            fixture.activations(delta),
            fixture.floats(weight),
            Float64.EPSILON,
            out);
        float[] sums = fixture.readActivations(residuals, rows * dim);
        float[] normed = fixture.readActivations(out, rows * dim);
        for (int t = 0; t < rows; t++) {
          double[] row = new double[dim];
          for (int i = 0; i < dim; i++) {
            row[i] = (double) residual[t * dim + i] + delta[t * dim + i];
            assertClose(sums[t * dim + i], row[i], fixture.activation);
          }
          double[] expected = Float64.rmsNorm(row, weight, Float64.EPSILON);
          for (int i = 0; i < dim; i++) {
            assertClose(normed[t * dim + i], expected[i], fixture.activation);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_row_has_the_same_norm_alone_and_in_a_batch_and_where_it_is_sampled(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (int dim : DIMS) {
        Random random = Seeds.random(dim);
        int rows = 32;
        float[] residual = DeviceFixture.normals(random, rows * dim);
        float[] delta = DeviceFixture.normals(random, rows * dim);
        Buffer weight = fixture.floats(DeviceFixture.normals(random, dim));
        Buffer all = fixture.activations(rows * dim);
        Buffer residuals = fixture.activations(residual);
        Buffer deltas = fixture.activations(delta);
        Buffer gathered = fixture.activations(2 * dim);
        StepInputs step = sampling(fixture, rows, 30, 3);
        fixture.kernels.gatherAddRmsNorm(
            step, dim, residuals, deltas, weight, Float64.EPSILON, gathered);
        assertThat(fixture.readActivations(residuals, rows * dim))
            .as("the residual is left as it is")
            .isEqualTo(fixture.rounded(residual));
        fixture.kernels.addRmsNorm(rows, dim, residuals, deltas, weight, Float64.EPSILON, all);
        float[] batch = fixture.readActivations(all, rows * dim);
        for (int t = 0; t < rows; t++) {
          float[] row = Arrays.copyOfRange(residual, t * dim, (t + 1) * dim);
          float[] add = Arrays.copyOfRange(delta, t * dim, (t + 1) * dim);
          Buffer alone = fixture.activations(dim);
          fixture.kernels.addRmsNorm(
              1,
              dim,
              fixture.activations(row),
              fixture.activations(add),
              weight,
              Float64.EPSILON,
              alone);
          assertThat(fixture.readActivations(alone, dim))
              .isEqualTo(Arrays.copyOfRange(batch, t * dim, (t + 1) * dim));
        }
        float[] sampled = fixture.readActivations(gathered, 2 * dim);
        assertThat(Arrays.copyOf(sampled, dim))
            .isEqualTo(Arrays.copyOfRange(batch, 30 * dim, 31 * dim));
        assertThat(Arrays.copyOfRange(sampled, dim, 2 * dim))
            .isEqualTo(Arrays.copyOfRange(batch, 3 * dim, 4 * dim));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_norm_without_a_delta_leaves_the_residual(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      float[] residual = fixture.rounded(DeviceFixture.normals(Seeds.random(1), 3 * 40));
      float[] weight = DeviceFixture.normals(Seeds.random(2), 40);
      Buffer residuals = fixture.activations(residual);
      Buffer plain = fixture.activations(3 * 40);
      Buffer withZeros = fixture.activations(3 * 40);
      Buffer weights = fixture.floats(weight);
      fixture.kernels.addRmsNorm(3, 40, residuals, null, weights, Float64.EPSILON, plain);
      assertThat(fixture.readActivations(residuals, 3 * 40)).isEqualTo(residual);
      Buffer zeros = fixture.activations(3 * 40);
      fixture.kernels.addRmsNorm(3, 40, residuals, zeros, weights, Float64.EPSILON, withZeros);
      assertThat(fixture.readActivations(plain, 3 * 40))
          .isEqualTo(fixture.readActivations(withZeros, 3 * 40));
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_gated_activation_is_close_to_float64_also_where_silu_saturates(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (int width : DIMS) {
        Random random = Seeds.random(width);
        int rows = 1 + random.nextInt(5);
        float[] gateUp = DeviceFixture.normals(random, rows * 2 * width);
        for (int i = 0; i < gateUp.length; i++) {
          gateUp[i] *= (float) Math.pow(10, random.nextInt(4) - 1); // to about 300
        }
        gateUp[0] = -1000;
        gateUp = fixture.rounded(gateUp);
        Buffer out = fixture.activations(rows * width);
        fixture.kernels.gatedActivation(rows, width, fixture.activations(gateUp), out);
        float[] actual = fixture.readActivations(out, rows * width);
        for (int t = 0; t < rows; t++) {
          for (int i = 0; i < width; i++) {
            double gate = gateUp[t * 2 * width + i];
            double up = gateUp[t * 2 * width + width + i];
            assertClose(
                actual[t * width + i], gate / (1 + Math.exp(-gate)) * up, fixture.activation);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_gated_activation_has_the_same_bits_alone_and_in_a_batch(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      int rows = 32;
      for (int width : DIMS) {
        float[] gateUp = DeviceFixture.normals(Seeds.random(width), rows * 2 * width);
        Buffer all = fixture.activations(rows * width);
        fixture.kernels.gatedActivation(rows, width, fixture.activations(gateUp), all);
        float[] batch = fixture.readActivations(all, rows * width);
        for (int t = 0; t < rows; t++) {
          float[] row = Arrays.copyOfRange(gateUp, t * 2 * width, (t + 1) * 2 * width);
          Buffer alone = fixture.activations(width);
          fixture.kernels.gatedActivation(1, width, fixture.activations(row), alone);
          assertThat(fixture.readActivations(alone, width))
              .isEqualTo(Arrays.copyOfRange(batch, t * width, (t + 1) * width));
        }
      }
    }
  }

  private static StepInputs sampling(DeviceFixture fixture, int tokens, int... rows) {
    Buffer none = fixture.ints(0);
    StepInputs step =
        new StepInputs(
            fixture.ints(tokens, 1, rows.length),
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            1,
            fixture.ints(rows),
            null);
    step.counts(tokens, 1, rows.length);
    fixture.kernels.prepare(step);
    return step;
  }

  private static void assertClose(float actual, double expected, DType type) {
    if (type == DType.F16 && Math.abs(expected) > MAX_F16) {
      assertThat(actual).isInfinite();
      return;
    }
    // Below this magnitude an absolute error of a denormal's size is all that is asked for.
    double smallest = type == DType.F16 ? Float.float16ToFloat((short) 1) : 1e-30;
    double allowed = tolerance(type) * Math.abs(expected) + smallest;
    if (!(Math.abs(actual - expected) <= allowed)) {
      assertThat((double) actual).isCloseTo(expected, within(allowed));
    }
  }
}
