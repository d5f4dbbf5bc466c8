package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Attention over thousands of positions, sampled outputs against float64; a short context unless
 * {@link RealShapesTest} has real shapes.
 */
class LongContextTest {
  private static final boolean REAL = RealShapesTest.REAL;

  /** Of values with a standard deviation of 1, in BF16. */
  private static final double TOLERANCE = 0.03;

  static List<DeviceCase> devices() {
    return RealShapesTest.devices();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void attention_over_a_long_context_is_close_to_float64(DeviceCase device) {
    int[] lengths = REAL ? new int[] {8192, 32_768} : new int[] {300, 1100};
    int[] kvHeads = REAL ? new int[] {8, 2} : new int[] {2, 1};
    for (int i = 0; i < lengths.length; i++) {
      int length = lengths[i] - 7; // no multiple of a block
      int headDim = REAL ? 128 : 64;
      float scale = (float) (1 / Math.sqrt(headDim));
      AttentionShape shape =
          new AttentionShape(
              4 * kvHeads[i], kvHeads[i], headDim, scale, AttentionShape.NO_WINDOW, 0);
      AttentionRun run = new AttentionRun(Seeds.random(length), shape, headDim, i == 0, length);
      try (DeviceFixture fixture = device.open()) {
        Random random = Seeds.random(i);
        AttentionRun.Results results = run.run(fixture, chunksThenDecode(length, 1024), random);
        assertSamplesClose(run, results, length, random);
        AttentionRun.Results other = run.run(fixture, chunksThenDecode(length, 640), random);
        assertThat(other.attention().getFirst())
            .as("the same bits in other chunks")
            .isEqualTo(results.attention().getFirst());
      }
    }
  }

  /** Chunks as prefill has them, and the last five tokens one by one. */
  private static List<List<AttentionRun.Slice>> chunksThenDecode(int length, int chunk) {
    List<List<AttentionRun.Slice>> steps = new ArrayList<>();
    int decoded = length - 5;
    for (int from = 0; from < decoded; from += chunk) {
      steps.add(List.of(new AttentionRun.Slice(0, from, Math.min(from + chunk, decoded))));
    }
    for (int at = decoded; at < length; at++) {
      steps.add(List.of(new AttentionRun.Slice(0, at, at + 1)));
    }
    return steps;
  }

  private static void assertSamplesClose(
      AttentionRun run, AttentionRun.Results results, int length, Random random) {
    AttentionShape shape = run.shape;
    float[] rows = run.sequences.getFirst();
    int group = shape.heads() / shape.kvHeads();
    for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead++) {
      double[][] keys = new double[length][];
      double[][] cached = new double[length][shape.headDim()];
      int value = (shape.heads() + shape.kvHeads() + kvHead) * shape.headDim();
      for (int p = 0; p < length; p++) {
        keys[p] = Float64.rotated(run, rows, shape.heads() + kvHead, p);
        for (int i = 0; i < shape.headDim(); i++) {
          cached[p][i] = rows[p * shape.qkvColumns() + value + i];
        }
      }
      int[] positions = {length - 1, length - 6, 1024, random.nextInt(length)};
      for (int position : positions) {
        int at = Math.min(position, length - 1);
        int head = kvHead * group + random.nextInt(group);
        double[] query = Float64.rotated(run, rows, head, at);
        double[] expected = Float64.attention(shape, query, keys, cached, at);
        int from = (at * shape.heads() + head) * shape.headDim();
        for (int i = 0; i < expected.length; i++) {
          assertThat((double) results.attention().getFirst()[from + i])
              .as("%s, position %s, head %s, element %s", shape, at, head, i)
              .isCloseTo(expected[i], within(TOLERANCE));
        }
      }
    }
  }
}
