package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SampleTest {
  private static final float BAN = Float.NEGATIVE_INFINITY;

  /** Every device once: logits are F32, whatever the weights are. */
  static List<DeviceCase> devices() {
    return DeviceCase.oneOfEach();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void random_rows_draw_what_the_float64_oracle_draws(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      int drawn = 0;
      int certain = 0;
      for (long seed = 0; seed < 60; seed++) {
        Random random = Seeds.random(seed);
        int vocabulary = new int[] {1, 2, 31, 32, 33, 257, 1000, 5003}[(int) (seed % 8)];
        List<SampleRows.Row> rows = new ArrayList<>();
        for (int r = 0; r < 16; r++) {
          rows.add(draw(random, vocabulary));
        }
        List<SampleRows.Result> results = SampleRows.sample(fixture, rows);
        for (int r = 0; r < rows.size(); r++) {
          SampleOracle.Draw expected = SampleOracle.draw(rows.get(r));
          drawn++;
          if (expected.certain()) {
            certain++;
            assertThat(results.get(r).token())
                .as("seed %s, row %s", seed, r)
                .isEqualTo(expected.token());
          }
        }
      }
      assertThat(certain).as("rows that rounding cannot decide").isGreaterThan(drawn * 95 / 100);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void large_vocabularies_draw_what_the_float64_oracle_draws(DeviceCase device) {
    List<Consumer<SampleRows.Row>> settings =
        List.of(
            row -> row.temperature = 0,
            row -> row.temperature = 1,
            row -> row.topK = 20,
            row -> row.topP = 0.95f,
            row -> row.minP = 0.05f,
            row -> { // cut by all three
              row.topK = 1000;
              row.minP = 1e-4f;
              row.topP = 0.9f;
            },
            row -> { // nearly all are kept
              row.temperature = 3;
              row.topP = 0.99f;
            },
            row -> { // a long output
              row.repetition = 1.3f;
              row.penalties =
                  IntStream.range(0, 3000).boxed().collect(Collectors.toMap(i -> 13 * i, i -> i));
              row.frequency = 0.01f;
            });
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(5);
      List<SampleRows.Row> rows = new ArrayList<>();
      for (int i = 0; i < 2 * settings.size(); i++) {
        SampleRows.Row row = new SampleRows.Row(DeviceFixture.normals(random, 50_257));
        for (int token = 0; token < row.logits.length; token++) {
          row.logits[token] *= 3;
        }
        row.temperature = 0.8f;
        row.seed = random.nextLong();
        row.position = i;
        settings.get(i / 2).accept(row);
        rows.add(row);
      }
      assertDrawnAsTheOracleDraws(fixture, rows);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void of_equal_logits_those_with_smaller_ids_are_kept(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(6);
      List<SampleRows.Row> rows = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        SampleRows.Row row = new SampleRows.Row(new float[5003]);
        Arrays.fill(row.logits, 2.5f);
        row.logits[random.nextInt(5003)] = BAN;
        row.temperature = 500;
        row.seed = random.nextLong();
        if (i % 2 == 0) {
          row.topK = i % 4 == 0 ? 7 : 3000;
        }
        if (i % 3 == 0) {
          row.topP = 0.5f;
        }
        row.minP = 0.01f;
        if (i >= 6) { // far above all others, whose order still decides
          row.logits[random.nextInt(5003)] = 1000;
        }
        rows.add(row);
      }
      assertDrawnAsTheOracleDraws(fixture, rows);
    }
  }

  private static void assertDrawnAsTheOracleDraws(
      DeviceFixture fixture, List<SampleRows.Row> rows) {
    List<SampleRows.Result> results = SampleRows.sample(fixture, rows);
    int certain = 0;
    for (int r = 0; r < rows.size(); r++) {
      SampleOracle.Draw expected = SampleOracle.draw(rows.get(r));
      if (expected.certain()) {
        certain++;
        assertThat(results.get(r).token()).as("row %s", r).isEqualTo(expected.token());
      }
    }
    assertThat(certain).as("rows that rounding cannot decide").isGreaterThan(rows.size() / 2);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_row_draws_the_same_alone_and_among_others(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(4);
      List<SampleRows.Row> rows = new ArrayList<>();
      for (int r = 0; r < 32; r++) {
        rows.add(draw(random, 3001));
        rows.get(r).logprobs = r % 21;
      }
      List<SampleRows.Result> together = SampleRows.sample(fixture, rows);
      for (int r = 0; r < rows.size(); r++) {
        SampleRows.Result alone = SampleRows.sample(fixture, List.of(rows.get(r))).getFirst();
        assertThat(alone).isEqualTo(together.get(r));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void draws_follow_the_distribution(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      float[] logits = {1, 0, 2, BAN, -1, 0.5f, 1.5f, -0.5f};
      int draws = 2000;
      for (int filter = 0; filter < 2; filter++) {
        List<SampleRows.Row> rows = new ArrayList<>();
        for (int i = 0; i < draws; i++) {
          SampleRows.Row row = new SampleRows.Row(logits);
          row.temperature = 0.8f;
          row.topK = filter == 0 ? 0 : 5;
          row.seed = 7_000_000_000_000L + filter;
          row.position = i;
          rows.add(row);
        }
        int[] counts = new int[logits.length];
        SampleRows.sample(fixture, rows).forEach(result -> counts[result.token()]++);

        int[] order = {2, 6, 0, 5, 1, 7, 4}; // by logit, descending
        int kept = filter == 0 ? order.length : 5;
        double total = 0;
        for (int i = 0; i < kept; i++) {
          total += Math.exp(logits[order[i]] / 0.8);
        }
        double chiSquare = 0;
        int others = draws;
        for (int i = 0; i < kept; i++) {
          double expected = draws * Math.exp(logits[order[i]] / 0.8) / total;
          chiSquare += Math.pow(counts[order[i]] - expected, 2) / expected;
          others -= counts[order[i]];
        }
        assertThat(others).as("draws outside the filter").isZero();
        // The 99.9 % quantile for 6 degrees of freedom; seeds are fixed, so this does not flicker.
        assertThat(chiSquare).isLessThan(22.46);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void greedy_takes_the_smaller_id_of_equal_logits(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (int vocabulary : new int[] {2, 17, 64, 100, 1000}) {
        for (int first : new int[] {0, 1, vocabulary / 2, vocabulary - 1}) {
          float[] logits = new float[vocabulary];
          Arrays.fill(logits, -3);
          for (int i = first; i < vocabulary; i += Math.max(1, vocabulary / 7)) {
            logits[i] = 2;
          }
          SampleRows.Row row = new SampleRows.Row(logits);
          assertThat(SampleRows.sample(fixture, List.of(row)).getFirst().token()).isEqualTo(first);
        }
      }
      SampleRows.Row zeros = new SampleRows.Row(new float[] {-1, -0f, 0f});
      assertThat(SampleRows.sample(fixture, List.of(zeros)).getFirst().token()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void raw_logprobs_are_close_to_float64_and_in_order(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (long seed = 0; seed < 12; seed++) {
        Random random = Seeds.random(seed);
        SampleRows.Row row = draw(random, new int[] {3, 64, 1000, 50_257}[(int) (seed % 4)]);
        row.logprobs = SampleLayout.MAX_LOGPROBS;
        if (seed % 2 == 0) {
          for (int i = 0; i < row.logits.length; i++) {
            row.logits[i] = Math.round(row.logits[i]); // ties
          }
        }
        double[] expected = SampleOracle.logprobs(row.logits);
        List<Integer> order =
            IntStream.range(0, expected.length)
                .boxed()
                .filter(i -> expected[i] > Double.NEGATIVE_INFINITY)
                .sorted((a, b) -> Double.compare(expected[b], expected[a])) // stable: by id
                .toList();
        SampleRows.Result result = SampleRows.sample(fixture, List.of(row)).getFirst();
        for (int i = 0; i < SampleLayout.MAX_LOGPROBS; i++) {
          if (i < order.size()) {
            assertThat(result.topTokens().get(i)).isEqualTo(order.get(i));
            double logprob = expected[order.get(i)];
            assertThat((double) result.topLogprobs().get(i))
                .isCloseTo(logprob, within(5e-6 + 1e-6 * Math.abs(logprob)));
          } else {
            assertThat(result.topTokens().get(i)).isEqualTo(SampleLayout.NO_TOKEN);
          }
        }
        if (result.token() != SampleLayout.NO_TOKEN) {
          double logprob = expected[result.token()];
          assertThat((double) result.logprob())
              .isCloseTo(logprob, within(5e-6 + 1e-6 * Math.abs(logprob)));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void logprobs_that_were_not_asked_for_are_not_a_number(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      SampleRows.Row row = new SampleRows.Row(new float[] {1, 2, 3});
      row.logprobs = -1;
      SampleRows.Result result = SampleRows.sample(fixture, List.of(row)).getFirst();
      assertThat(result.token()).isEqualTo(2);
      assertThat(result.logprob()).isNaN();
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void where_nothing_can_be_drawn_there_is_no_token(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      for (float temperature : new float[] {0, 1}) {
        for (int topK : new int[] {0, 2}) {
          List<SampleRows.Row> rows = new ArrayList<>();
          float nan = Float.NaN;
          rows.add(new SampleRows.Row(new float[] {nan, nan, nan, nan}));
          rows.add(new SampleRows.Row(new float[] {BAN, nan, BAN, Float.POSITIVE_INFINITY}));
          SampleRows.Row masked = new SampleRows.Row(new float[] {1, 2, 3, nan});
          masked.allowed = new int[] {3};
          rows.add(masked);
          SampleRows.Row banned = new SampleRows.Row(new float[] {1, 2, 3, BAN});
          banned.biases = Map.of(0, BAN, 1, BAN, 2, BAN);
          rows.add(banned);
          SampleRows.Row alive = new SampleRows.Row(new float[] {nan, 2, BAN, nan});
          rows.add(alive);
          for (SampleRows.Row row : rows) {
            row.temperature = temperature;
            row.topK = topK;
          }
          assertThat(SampleRows.sample(fixture, rows).stream().map(SampleRows.Result::token))
              .containsExactly(-1, -1, -1, -1, 1);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void tokens_outside_the_vocabulary_are_ignored(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      SampleRows.Row row = new SampleRows.Row(new float[] {1, 2, 3});
      row.biases = Map.of(-1, 100f, 3, 100f, Integer.MAX_VALUE, 100f, 1, 100f);
      row.penalties = Map.of(-7, 1, 3, 1, Integer.MIN_VALUE, 1);
      row.presence = 1;
      assertThat(SampleRows.sample(fixture, List.of(row)).getFirst().token()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void numbers_that_mean_nothing_are_refused_by_name(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Map<String, Consumer<SampleRows.Row>> wrong =
          Map.of(
              "temperature", row -> row.temperature = Float.NaN,
              "top p", row -> row.topP = 0,
              "min p", row -> row.minP = 1.5f,
              "top k", row -> row.topK = -1,
              "repetition penalty", row -> row.repetition = 0,
              "logprobs", row -> row.logprobs = 21);
      wrong.forEach(
          (name, change) -> {
            SampleRows.Row row = new SampleRows.Row(new float[] {1, 2});
            change.accept(row);
            assertThatThrownBy(() -> SampleRows.sample(fixture, List.of(row)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(name);
          });
    }
  }

  /** A row with any of the settings, alone or together. */
  private static SampleRows.Row draw(Random random, int vocabulary) {
    SampleRows.Row row = new SampleRows.Row(DeviceFixture.normals(random, vocabulary));
    float spread = 1 + 4 * random.nextFloat();
    for (int i = 0; i < vocabulary; i++) {
      row.logits[i] *= spread;
      if (random.nextInt(100) == 0) {
        row.logits[i] = random.nextBoolean() ? BAN : Float.NaN;
      }
    }
    row.seed = random.nextLong();
    row.position = random.nextInt(200_000);
    row.temperature = random.nextInt(5) == 0 ? 0 : 0.05f + 1.5f * random.nextFloat();
    row.topK = random.nextBoolean() ? 0 : 1 + random.nextInt(2 * vocabulary);
    row.topP = random.nextBoolean() ? 1 : 0.05f + 0.95f * random.nextFloat();
    row.minP = random.nextInt(3) == 0 ? 0.3f * random.nextFloat() : 0;
    if (random.nextInt(3) == 0) {
      row.repetition = 0.7f + random.nextFloat();
      row.presence = random.nextFloat() - 0.3f;
      row.frequency = random.nextFloat() - 0.3f;
      Map<Integer, Integer> penalties = new HashMap<>();
      for (int i = random.nextInt(20); i > 0; i--) {
        penalties.put(random.nextInt(vocabulary), random.nextInt(4));
      }
      row.penalties = penalties;
    }
    if (random.nextInt(3) == 0) {
      Map<Integer, Float> biases = new HashMap<>();
      for (int i = random.nextInt(10); i > 0; i--) {
        biases.put(
            random.nextInt(vocabulary), random.nextInt(4) == 0 ? BAN : 5 * random.nextFloat());
      }
      row.biases = biases;
    }
    if (random.nextInt(4) == 0) {
      row.allowed = IntStream.range(0, vocabulary).filter(i -> random.nextInt(3) > 0).toArray();
    }
    return row;
  }
}
