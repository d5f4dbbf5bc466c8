package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class LinearTest {

  static List<DeviceCase> devices() {
    return DeviceCase.all();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_product_is_close_to_float64_and_its_rows_do_not_know_each_other(DeviceCase device) {
    for (long seed = 0; seed < 12; seed++) {
      Random random = Seeds.random(seed);
      int rows = 1 + random.nextInt(40);
      int columns = 1 + random.nextInt(200);
      int outputs = 1 + random.nextInt(200);
      float[] weights =
          DeviceFixture.rounded(device.weights(), DeviceFixture.normals(random, outputs * columns));
      float[] bias = DeviceFixture.normals(random, outputs);
      try (DeviceFixture fixture = device.open()) {
        float[] in = fixture.rounded(DeviceFixture.normals(random, rows * columns));
        LinearWeight weight = fixture.weight(device.weights(), outputs, columns, weights);
        Buffer out = fixture.floats(new float[rows * outputs]);
        fixture.kernels.linear(
            rows, fixture.activations(in), weight.withBias(fixture.floats(bias)), out);
        float[] actual = fixture.readActivations(out, rows * outputs);
        for (int t = 0; t < rows; t++) {
          for (int n = 0; n < outputs; n++) {
            double expected = Float64.dot(in, t * columns, weights, n * columns, columns) + bias[n];
            double bits =
                switch (device.weights()) {
                  case BF16 -> 0x1p-8;
                  case F16 -> 0x1p-11;
                  default -> 0x1p-19;
                };
            assertThat((double) actual[t * outputs + n])
                .isCloseTo(expected, within(bits * 4 * Math.sqrt(columns)));
          }
          float[] row = Arrays.copyOfRange(in, t * columns, (t + 1) * columns);
          Buffer alone = fixture.activations(outputs);
          fixture.kernels.linear(
              1, fixture.activations(row), weight.withBias(fixture.floats(bias)), alone);
          assertThat(fixture.readActivations(alone, outputs))
              .isEqualTo(Arrays.copyOfRange(actual, t * outputs, (t + 1) * outputs));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(value = DType.class, names = "I32", mode = EnumSource.Mode.EXCLUDE)
  void an_embedding_is_the_row_of_its_token(DType type) {
    for (DeviceCase device : devices()) {
      try (DeviceFixture fixture = device.open()) {
        if (fixture.activation != DType.F32 && fixture.activation != type) {
          continue; // computes in one 16-bit type, which is a case of its own
        }
        float[] table =
            DeviceFixture.rounded(type, DeviceFixture.normals(Seeds.random(1), 100 * 37));
        int[] tokens = {99, 0, 7, 7, 63, 64};
        Buffer none = fixture.ints(0);
        StepInputs step =
            new StepInputs(
                fixture.ints(tokens.length, 1, 0),
                fixture.ints(tokens),
                none,
                none,
                none,
                none,
                none,
                none,
                1,
                none,
                null);
        step.counts(tokens.length, 1, 0);
        fixture.kernels.prepare(step);
        Buffer out = fixture.activations(tokens.length * 37);
        fixture.kernels.embed(step, fixture.weight(type, 100, 37, table), out);
        float[] rows = fixture.readActivations(out, tokens.length * 37);
        for (int t = 0; t < tokens.length; t++) {
          assertThat(Arrays.copyOfRange(rows, t * 37, (t + 1) * 37))
              .as(device.name())
              .isEqualTo(Arrays.copyOfRange(table, tokens[t] * 37, (tokens[t] + 1) * 37));
        }
      }
    }
  }
}
