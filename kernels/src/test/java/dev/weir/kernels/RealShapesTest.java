package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The ops at the shapes of an 8B model, sampled outputs against float64. A CPU, and an emulated GPU
 * even more, takes minutes for these: unless the property {@value #PROPERTY} is set, the shapes are
 * small ones of the same kind.
 */
class RealShapesTest {
  static final String PROPERTY = "weir.test.realShapes";

  static final boolean REAL = Boolean.getBoolean(PROPERTY);
  private static final int HIDDEN = REAL ? 4096 : 256;
  private static final int INTERMEDIATE = REAL ? 14_336 : 640;
  private static final int VOCABULARY = REAL ? 151_936 : 2003;

  /** Between a decode row and a prefill chunk: each way in which a kernel treats rows. */
  private static final int[] ROWS = REAL ? new int[] {1, 8, 64, 200, 1024} : new int[] {1, 8, 70};

  /** Outputs compared per shape. */
  private static final int SAMPLES = REAL ? 2000 : 200;

  /** Half a unit of BF16's last place, relative, and as much again for what was summed. */
  private static final double OUTPUT = 0x1p-8;

  /** So many values are drawn and then repeated; a prime, so that no two rows are alike. */
  private static final int PATTERN = 100_003;

  static List<DeviceCase> devices() {
    return DeviceCase.all().stream().filter(device -> device.weights() == DType.BF16).toList();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_product_with_the_weights_of_a_layer_is_close_to_float64(DeviceCase device) {
    int[][] matrices = {{HIDDEN, INTERMEDIATE}, {INTERMEDIATE, HIDDEN}};
    for (int[] matrix : matrices) {
      Random random = Seeds.random(matrix[0]);
      int outputs = matrix[0];
      int columns = matrix[1];
      float[] weights = DeviceFixture.rounded(DType.BF16, values(random, outputs * columns));
      try (DeviceFixture fixture = device.open()) {
        LinearWeight weight = fixture.weight(DType.BF16, outputs, columns, weights);
        float[] before = {};
        for (int rows : ROWS) {
          float[] in = DeviceFixture.rounded(DType.BF16, values(Seeds.random(5), rows * columns));
          Buffer out = fixture.activations(rows * outputs);
          fixture.kernels.linear(rows, fixture.activations(in), weight, out);
          float[] actual = fixture.readActivations(out, rows * outputs);
          for (int i = 0; i < SAMPLES; i++) {
            int t = random.nextInt(rows);
            int n = random.nextInt(outputs);
            double expected = Float64.dot(in, t * columns, weights, n * columns, columns);
            assertClose(actual[t * outputs + n], expected, Math.sqrt(columns));
          }
          assertThat(Arrays.copyOf(actual, before.length))
              .as("the rows of a smaller batch")
              .isEqualTo(before);
          before = actual;
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void logits_of_a_large_vocabulary_are_close_to_float64(DeviceCase device) {
    int hidden = HIDDEN / 4;
    Random random = Seeds.random(2);
    float[] weights = DeviceFixture.rounded(DType.BF16, values(random, VOCABULARY * hidden));
    try (DeviceFixture fixture = device.open()) {
      LinearWeight head = fixture.weight(DType.BF16, VOCABULARY, hidden, weights);
      for (int rows : new int[] {1, 33}) {
        float[] in = DeviceFixture.rounded(DType.BF16, values(random, rows * hidden));
        Buffer out = fixture.floats(new float[rows * VOCABULARY]);
        fixture.kernels.logits(rows, fixture.activations(in), head, out);
        float[] actual = fixture.readFloats(out, rows * VOCABULARY);
        for (int i = 0; i < SAMPLES; i++) {
          int t = random.nextInt(rows);
          int n = random.nextInt(VOCABULARY);
          double expected = Float64.dot(in, t * hidden, weights, n * hidden, hidden);
          assertClose(actual[t * VOCABULARY + n], expected, Math.sqrt(hidden));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void rows_as_wide_as_a_model_are_normed_and_activated_like_float64(DeviceCase device) {
    int rows = 70;
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(3);
      float[] residual = fixture.rounded(values(random, rows * HIDDEN));
      float[] delta = fixture.rounded(values(random, rows * HIDDEN));
      float[] weight = values(random, HIDDEN);
      Buffer out = fixture.activations(rows * HIDDEN);
      fixture.kernels.addRmsNorm(
          rows,
          HIDDEN,
          fixture.activations(residual),
          fixture.activations(delta),
          fixture.floats(weight),
          Float64.EPSILON,
          out);
      float[] normed = fixture.readActivations(out, rows * HIDDEN);
      float[] gateUp = fixture.rounded(values(random, rows * 2 * INTERMEDIATE));
      Buffer activated = fixture.activations(rows * INTERMEDIATE);
      fixture.kernels.gatedActivation(rows, INTERMEDIATE, fixture.activations(gateUp), activated);
      float[] actual = fixture.readActivations(activated, rows * INTERMEDIATE);
      for (int t = 0; t < rows; t++) {
        double[] row = new double[HIDDEN];
        for (int i = 0; i < HIDDEN; i++) {
          row[i] = (double) residual[t * HIDDEN + i] + delta[t * HIDDEN + i];
        }
        double[] expected = Float64.rmsNorm(row, weight, Float64.EPSILON);
        for (int i = 0; i < HIDDEN; i++) {
          assertClose(normed[t * HIDDEN + i], expected[i], 0);
        }
        for (int i = 0; i < INTERMEDIATE; i++) {
          double gate = gateUp[t * 2 * INTERMEDIATE + i];
          double up = gateUp[t * 2 * INTERMEDIATE + INTERMEDIATE + i];
          assertClose(actual[t * INTERMEDIATE + i], gate / (1 + Math.exp(-gate)) * up, 0);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void tokens_of_a_large_vocabulary_are_drawn_as_the_oracle_draws(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(4);
      List<SampleRows.Row> rows = new ArrayList<>();
      for (int r = 0; r < 12; r++) {
        SampleRows.Row row = new SampleRows.Row(values(random, VOCABULARY));
        for (int i = 0; i < VOCABULARY; i++) {
          row.logits[i] *= 3;
        }
        row.temperature = r % 4 == 0 ? 0 : 0.8f;
        row.topK = r % 4 == 1 ? 50 : 0;
        row.topP = r % 4 == 2 ? 0.95f : 1;
        row.seed = random.nextLong();
        row.position = 1000 + r;
        rows.add(row);
      }
      List<SampleRows.Result> results = SampleRows.sample(fixture, rows);
      int certain = 0;
      for (int r = 0; r < rows.size(); r++) {
        SampleOracle.Draw expected = SampleOracle.draw(rows.get(r));
        if (expected.certain()) {
          certain++;
          assertThat(results.get(r).token()).as("row %s", r).isEqualTo(expected.token());
        }
      }
      assertThat(certain).as("rows that rounding cannot decide").isPositive();
    }
  }

  /**
   * @param scale the standard deviation of what was summed: cancellation leaves its error
   */
  private static void assertClose(float actual, double expected, double scale) {
    double allowed = OUTPUT * Math.abs(expected) + 0x1p-12 * scale + 1e-30;
    if (!(Math.abs(actual - expected) <= allowed)) {
      assertThat((double) actual).isCloseTo(expected, within(allowed));
    }
  }

  private static float[] values(Random random, int count) {
    float[] pattern = DeviceFixture.normals(random, Math.min(count, PATTERN));
    float[] values = new float[count];
    for (int at = 0; at < count; at += pattern.length) {
      System.arraycopy(pattern, 0, values, at, Math.min(pattern.length, count - at));
    }
    return values;
  }
}
