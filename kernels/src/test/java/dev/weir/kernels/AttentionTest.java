package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.kernels.cpu.CpuDevice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionTest {
  private static final int[] HEAD_DIMS = {8, 10, 16, 32, 48, 64, 96, 128, 256};
  private static final int[] GROUPS = {1, 2, 4, 8};
  private static final int[] CHUNKS = {1, 7, 64};
  private static final int DECODED = 40;
  private static final int ALL = Integer.MAX_VALUE;

  /**
   * Of values with a standard deviation of 1; BF16 keeps 8 bits, F16 11, of queries, weights and
   * outputs.
   */
  private static double tolerance(DType type) {
    return switch (type) {
      case BF16 -> 0.03;
      case F16 -> 0.004;
      default -> 3e-5;
    };
  }

  /** Too long for an emulated GPU that checks every access. */
  private static final String LONG = "long";

  static List<DeviceCase> devices() {
    return DeviceCase.all();
  }

  private static AttentionRun draw(long seed, int... lengths) {
    Random random = Seeds.random(seed);
    int headDim = HEAD_DIMS[(int) (seed % HEAD_DIMS.length)];
    int group = GROUPS[random.nextInt(GROUPS.length)];
    int kvHeads = 1 + random.nextInt(3);
    int window = random.nextInt(3) == 0 ? 1 + random.nextInt(150) : AttentionShape.NO_WINDOW;
    float softCap = random.nextInt(3) == 0 ? 2 + 8 * random.nextFloat() : 0;
    int rotaryDim = random.nextBoolean() ? headDim : headDim / 4 * 2;
    float scale = (float) (1 / Math.sqrt(headDim));
    AttentionShape shape =
        new AttentionShape(kvHeads * group, kvHeads, headDim, scale, window, softCap);
    return new AttentionRun(random, shape, rotaryDim, random.nextBoolean(), lengths);
  }

  @Test
  void attention_of_random_shapes_is_close_to_float64() {
    for (long seed = 0; seed < 2L * HEAD_DIMS.length; seed++) {
      AttentionRun run = draw(seed, 1, 63, 64, 65, 1 + Seeds.random(seed).nextInt(150));
      assertCloseToFloat64(run, "seed " + seed);
    }
  }

  @Test
  @Tag(LONG)
  void attention_across_segments_is_close_to_float64() {
    for (int window : new int[] {AttentionShape.NO_WINDOW, 1000, 1024}) {
      AttentionShape shape = new AttentionShape(2, 1, 8, 0.35f, window, 0);
      int length = 2 * AttentionShape.SEGMENT_TOKENS + 70;
      AttentionRun run = new AttentionRun(Seeds.random(window), shape, 8, false, length);
      assertCloseToFloat64(run, "window " + window);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_token_has_the_same_bits_in_any_chunk_and_any_batch(DeviceCase device) {
    for (long seed = 0; seed < HEAD_DIMS.length; seed++) {
      AttentionRun run = draw(seed, 1, 63, 64, 65, 130);
      assertSameBits(device, run, seed, CHUNKS[(int) seed % CHUNKS.length], ALL);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_token_has_the_same_bits_across_the_first_segments_end(DeviceCase device) {
    AttentionShape shape = new AttentionShape(2, 1, 16, 0.25f, AttentionShape.NO_WINDOW, 0);
    AttentionRun run =
        new AttentionRun(Seeds.random(4), shape, 16, true, AttentionShape.SEGMENT_TOKENS + 3, 40);
    try (DeviceFixture fixture = device.open()) {
      AttentionRun.Results alone = run.run(fixture, run.oneByOne(), Seeds.random(4));
      AttentionRun.Results decoded = run.run(fixture, run.prefillThenDecode(5), Seeds.random(5));
      for (int s = 0; s < run.sequences.size(); s++) {
        assertThat(decoded.attention().get(s)).isEqualTo(alone.attention().get(s));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  @Tag(LONG)
  void a_token_has_the_same_bits_across_segments(DeviceCase device) {
    AttentionShape shape = new AttentionShape(4, 2, 16, 0.25f, AttentionShape.NO_WINDOW, 0);
    int segment = AttentionShape.SEGMENT_TOKENS;
    AttentionRun run =
        new AttentionRun(Seeds.random(5), shape, 16, true, segment, segment + 1, 2 * segment + 65);
    assertSameBits(device, run, 5, 64, 500);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_token_has_the_same_bits_in_a_batch_of_32(DeviceCase device) {
    int[] lengths = Seeds.random(9).ints(32, 1, 70).toArray();
    AttentionRun run = draw(5, lengths);
    assertSameBits(device, run, 9, 1);
  }

  @Test
  void the_number_of_threads_shows_in_no_bit() {
    assumeTrue(
        CpuDevice.unavailable().isEmpty(),
        () -> "skipped: no native CPU kernels: " + CpuDevice.unavailable().orElseThrow());
    AttentionShape shape = new AttentionShape(4, 2, 16, 0.25f, AttentionShape.NO_WINDOW, 0);
    int length = 2 * AttentionShape.SEGMENT_TOKENS + 65;
    AttentionRun run = new AttentionRun(Seeds.random(6), shape, 16, false, 100, length);
    for (DType weights : List.of(DType.F32, DType.BF16)) {
      List<AttentionRun.Results> results = new ArrayList<>();
      for (int threads : new int[] {1, 2, 5}) {
        try (DeviceFixture fixture = new DeviceFixture(CpuDevice.open(threads), weights)) {
          results.add(run.run(fixture, run.prefillThenDecode(3), Seeds.random(threads)));
        }
      }
      for (AttentionRun.Results other : results) {
        for (int s = 0; s < run.sequences.size(); s++) {
          assertThat(other.attention().get(s)).isEqualTo(results.getFirst().attention().get(s));
        }
      }
    }
  }

  private static void assertSameBits(
      DeviceCase device, AttentionRun run, long seed, int... chunks) {
    if (!device.computes(run.shape)) {
      return;
    }
    try (DeviceFixture fixture = device.open()) {
      Random random = Seeds.random(seed);
      AttentionRun.Results alone = run.run(fixture, run.oneByOne(), random);
      Stream<List<List<AttentionRun.Slice>>> schedules =
          Stream.concat(
              Arrays.stream(chunks)
                  .mapToObj(size -> run.chunks(size == ALL ? run.sequences.size() * 1000 : size)),
              Stream.of(run.prefillThenDecode(DECODED), run.anySchedule(random, 100)));
      schedules.forEach(
          steps -> {
            AttentionRun.Results other = run.run(fixture, steps, random);
            for (int s = 0; s < run.sequences.size(); s++) {
              assertThat(other.attention().get(s))
                  .as("seed %s, sequence %s in %s steps", seed, s, steps.size())
                  .isEqualTo(alone.attention().get(s));
              assertThat(other.queries().get(s)).isEqualTo(alone.queries().get(s));
            }
          });
    }
  }

  /** Every device's results against one computation in float64. */
  private static void assertCloseToFloat64(AttentionRun run, String what) {
    AttentionShape shape = run.shape;
    List<double[][]> queries = new ArrayList<>(); // [sequence][position * heads + head][element]
    List<double[][]> attention = new ArrayList<>();
    for (float[] rows : run.sequences) {
      queries.add(Float64.queries(run, rows));
      attention.add(Float64.attention(run, rows));
    }
    for (DeviceCase device : devices()) {
      if (!device.computes(shape)) {
        continue;
      }
      try (DeviceFixture fixture = device.open()) {
        AttentionRun.Results results = run.run(fixture, run.oneByOne(), Seeds.random(1));
        for (int s = 0; s < run.sequences.size(); s++) {
          for (int i = 0; i < queries.get(s).length; i++) {
            String where =
                device
                    + ", "
                    + what
                    + ": "
                    + shape
                    + ", sequence "
                    + s
                    + ", position "
                    + i / shape.heads()
                    + ", head "
                    + i % shape.heads();
            int at = i * shape.headDim();
            double[] query = queries.get(s)[i];
            double[] expected = attention.get(s)[i];
            assertClose(results.queries().get(s), at, query, fixture.activation, where);
            assertClose(results.attention().get(s), at, expected, fixture.kv, where);
          }
        }
      }
    }
  }

  private static void assertClose(
      float[] actual, int at, double[] expected, DType type, String where) {
    for (int i = 0; i < expected.length; i++) {
      double allowed = tolerance(type) * Math.max(1, Math.abs(expected[i]));
      if (!(Math.abs(actual[at + i] - expected[i]) <= allowed)) {
        assertThat((double) actual[at + i])
            .as("%s, element %s", where, i)
            .isCloseTo(expected[i], within(allowed));
      }
    }
  }
}
