package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
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
      try (DeviceFixture fixture = device.open()) {
        Product product = new Product(fixture, device.weights(), rows, outputs, columns, random);
        float[] actual = product.linear(0, rows);
        product.assertClose(actual, resolution(device.weights()));
        for (int t = 0; t < rows; t++) {
          assertThat(product.linear(t, 1)).isEqualTo(product.row(actual, t));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void so_are_products_of_many_rows_and_long_sums(DeviceCase device) {
    int[][] shapes = {{300, 20, 72}, {130, 33, 37}, {66, 129, 520}, {20, 8, 2100}, {3, 40, 1030}};
    for (int[] shape : shapes) {
      Random random = Seeds.random(Arrays.hashCode(shape));
      int rows = shape[0];
      try (DeviceFixture fixture = device.open()) {
        Product product = new Product(fixture, device.weights(), rows, shape[1], shape[2], random);
        float[] actual = product.linear(0, rows);
        product.assertClose(actual, resolution(device.weights()));
        for (int count = 1; count < rows; count = 2 * count + 1) {
          int first = random.nextInt(rows - count + 1);
          assertThat(product.linear(first, count))
              .as("rows %d to %d", first, first + count)
              .isEqualTo(product.rows(actual, first, count));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void logits_are_floats(DeviceCase device) {
    int[][] shapes = {{1, 300, 64}, {9, 131, 264}, {33, 16, 65}};
    for (int[] shape : shapes) {
      Random random = Seeds.random(Arrays.hashCode(shape));
      try (DeviceFixture fixture = device.open()) {
        Product product =
            new Product(fixture, device.weights(), shape[0], shape[1], shape[2], random);
        // Where activations are kept in 16 bits the sum is the only thing that is rounded.
        DType exact = fixture.activation == DType.F32 ? device.weights() : DType.F32;
        float[] actual = product.logits(0, shape[0]);
        product.assertClose(actual, resolution(exact));
        assertThat(product.logits(shape[0] - 1, 1)).isEqualTo(product.row(actual, shape[0] - 1));
      }
    }
  }

  /** Of a sum of products with a standard deviation of 1, what a type keeps. */
  private static double resolution(DType type) {
    return switch (type) {
      case BF16 -> 0x1p-8;
      case F16 -> 0x1p-11;
      default -> 0x1p-19;
    };
  }

  /** A random weight with a bias, and random rows to multiply it by. */
  private static final class Product {
    private final DeviceFixture fixture;
    private final int outputs;
    private final int columns;
    private final float[] weights;
    private final float[] bias;
    private final float[] in;
    private final LinearWeight weight;

    Product(DeviceFixture fixture, DType type, int rows, int outputs, int columns, Random random) {
      this.fixture = fixture;
      this.outputs = outputs;
      this.columns = columns;
      weights = DeviceFixture.rounded(type, DeviceFixture.normals(random, outputs * columns));
      bias = DeviceFixture.normals(random, outputs);
      in = fixture.rounded(DeviceFixture.normals(random, rows * columns));
      weight = fixture.weight(type, outputs, columns, weights).withBias(fixture.floats(bias));
    }

    private Buffer in(int first, int count) {
      return fixture.activations(
          Arrays.copyOfRange(in, first * columns, (first + count) * columns));
    }

    float[] linear(int first, int count) {
      Buffer out = fixture.activations(count * outputs);
      fixture.kernels.linear(count, in(first, count), weight, out);
      return fixture.readActivations(out, count * outputs);
    }

    float[] logits(int first, int count) {
      Buffer out = fixture.floats(new float[count * outputs]);
      fixture.kernels.logits(count, in(first, count), weight, out);
      return fixture.readFloats(out, count * outputs);
    }

    float[] row(float[] products, int row) {
      return rows(products, row, 1);
    }

    float[] rows(float[] products, int first, int count) {
      return Arrays.copyOfRange(products, first * outputs, (first + count) * outputs);
    }

    void assertClose(float[] actual, double resolution) {
      double allowed = resolution * 4 * Math.sqrt(columns);
      for (int i = 0; i < actual.length; i++) {
        int t = i / outputs;
        int n = i % outputs;
        double expected = Float64.dot(in, t * columns, weights, n * columns, columns) + bias[n];
        if (!(Math.abs(actual[i] - expected) <= allowed)) {
          assertThat((double) actual[i])
              .as("row %d, output %d", t, n)
              .isCloseTo(expected, within(allowed));
        }
      }
    }
  }

  /** The CPU's steps are done when their ops return: nothing is drawn ahead of the host. */
  static List<DeviceCase> devicesAheadOfTheHost() {
    return devices().stream().filter(device -> !device.name().startsWith("cpu")).toList();
  }

  @ParameterizedTest
  @MethodSource("devicesAheadOfTheHost")
  void a_token_may_be_what_the_step_before_drew(DeviceCase device) {
    int hidden = 40;
    int vocabulary = 50;
    try (DeviceFixture fixture = device.open()) {
      float[] table =
          DeviceFixture.rounded(
              device.weights(), DeviceFixture.normals(Seeds.random(2), vocabulary * hidden));
      int[] drawn = {7, SampleLayout.NO_TOKEN, 49};
      int[] results = new int[drawn.length * SampleLayout.RESULT_BYTES / Integer.BYTES];
      for (int r = 0; r < drawn.length; r++) {
        results[r * SampleLayout.RESULT_BYTES / Integer.BYTES] = drawn[r];
      }
      int[] tokens = {-3, 12, -1, -2, 0};
      int[] expected = {49, 12, 7, SampleLayout.NO_TOKEN, 0};
      StepInputs step = step(fixture, tokens, fixture.ints(results));
      Buffer out = fixture.activations(tokens.length * hidden);
      fixture.kernels.embed(step, fixture.weight(device.weights(), vocabulary, hidden, table), out);
      float[] rows = fixture.readActivations(out, tokens.length * hidden);
      for (int t = 0; t < tokens.length; t++) {
        float[] row =
            expected[t] == SampleLayout.NO_TOKEN
                ? new float[hidden]
                : Arrays.copyOfRange(table, expected[t] * hidden, (expected[t] + 1) * hidden);
        assertThat(Arrays.copyOfRange(rows, t * hidden, (t + 1) * hidden))
            .as("token %d", t)
            .isEqualTo(row);
      }
    }
  }

  /** A prepared step of one slice, of which only the tokens matter. */
  private static StepInputs step(DeviceFixture fixture, int[] tokens, @Nullable Buffer drawn) {
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
            drawn);
    step.counts(tokens.length, 1, 0);
    fixture.kernels.prepare(step);
    return step;
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
        StepInputs step = step(fixture, tokens, null);
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
