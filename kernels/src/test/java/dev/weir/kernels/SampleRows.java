package dev.weir.kernels;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Rows to sample, written in the op's format, and read back. */
final class SampleRows {
  /** How one row is sampled; starts out greedy, with logprobs of the chosen token. */
  static final class Row {
    float[] logits;
    float temperature = 0;
    float topP = 1;
    float minP = 0;
    int topK = 0;
    float repetition = 1;
    float presence = 0;
    float frequency = 0;
    int logprobs = 0;
    long seed = 0;
    int position = 0;
    Map<Integer, Float> biases = Map.of();

    /** Token → occurrences in the output. */
    Map<Integer, Integer> penalties = Map.of();

    int @Nullable [] allowed = null;

    Row(float[] logits) {
      this.logits = logits;
    }

    /** The tokens that are allowed. */
    BitSet allowedTokens() {
      BitSet tokens = new BitSet(logits.length);
      int[] only = allowed;
      if (only == null) {
        tokens.set(0, logits.length);
      } else {
        Arrays.stream(only).forEach(tokens::set);
      }
      return tokens;
    }
  }

  /** What came out of one row. */
  record Result(int token, float logprob, List<Integer> topTokens, List<Float> topLogprobs) {}

  private SampleRows() {}

  /** Writes a row in the op's format, without lists. */
  static void write(Row row, MemorySegment to) {
    to.fill((byte) 0);
    to.set(JAVA_FLOAT, SampleLayout.TEMPERATURE, row.temperature);
    to.set(JAVA_FLOAT, SampleLayout.TOP_P, row.topP);
    to.set(JAVA_FLOAT, SampleLayout.MIN_P, row.minP);
    to.set(JAVA_INT, SampleLayout.TOP_K, row.topK);
    to.set(JAVA_FLOAT, SampleLayout.REPETITION, row.repetition);
    to.set(JAVA_FLOAT, SampleLayout.PRESENCE, row.presence);
    to.set(JAVA_FLOAT, SampleLayout.FREQUENCY, row.frequency);
    to.set(JAVA_INT, SampleLayout.LOGPROBS, row.logprobs);
    to.set(JAVA_LONG, SampleLayout.SEED, row.seed);
    to.set(JAVA_INT, SampleLayout.POSITION, row.position);
    to.set(JAVA_INT, SampleLayout.MASK_OFFSET, -1);
  }

  static List<Result> sample(DeviceFixture fixture, List<Row> rows) {
    int vocabulary = rows.getFirst().logits.length;
    int words = (vocabulary + 31) / 32;
    float[] logits = new float[rows.size() * vocabulary];
    MemorySegment parameters =
        MemorySegment.ofArray(new long[rows.size() * SampleLayout.ROW_BYTES / 8]);
    List<int[]> biases = new ArrayList<>();
    List<int[]> penalties = new ArrayList<>();
    List<int[]> masks = new ArrayList<>();
    for (int r = 0; r < rows.size(); r++) {
      Row row = rows.get(r);
      System.arraycopy(row.logits, 0, logits, r * vocabulary, vocabulary);
      MemorySegment to =
          parameters.asSlice((long) r * SampleLayout.ROW_BYTES, SampleLayout.ROW_BYTES);
      write(row, to);
      to.set(JAVA_INT, SampleLayout.BIAS_OFFSET, biases.size());
      to.set(JAVA_INT, SampleLayout.BIAS_COUNT, row.biases.size());
      row.biases.forEach((t, bias) -> biases.add(new int[] {t, Float.floatToRawIntBits(bias)}));
      to.set(JAVA_INT, SampleLayout.PENALTY_OFFSET, penalties.size());
      to.set(JAVA_INT, SampleLayout.PENALTY_COUNT, row.penalties.size());
      row.penalties.forEach((t, count) -> penalties.add(new int[] {t, count}));
      int[] allowed = row.allowed;
      to.set(JAVA_INT, SampleLayout.MASK_OFFSET, allowed == null ? -1 : masks.size() * words);
      if (allowed != null) {
        int[] mask = new int[words];
        for (int token : allowed) {
          mask[token / 32] |= 1 << token % 32;
        }
        masks.add(mask);
      }
    }
    Device device = fixture.device;
    Staging staging = device.staging(parameters.byteSize(), "test rows");
    staging.host().copyFrom(parameters);
    device.upload(staging, 0, parameters.byteSize());
    Buffer rowBuffer = staging.device();
    Buffer results =
        device.allocate((long) rows.size() * SampleLayout.RESULT_BYTES, "test results");
    Buffer logitBuffer = fixture.floats(logits);
    SampleBuffers buffers =
        new SampleBuffers(
            rowBuffer, pairs(fixture, biases), pairs(fixture, penalties), pairs(fixture, masks));
    fixture.kernels.sample(rows.size(), vocabulary, logitBuffer, buffers, results);

    MemorySegment read =
        MemorySegment.ofArray(new long[rows.size() * SampleLayout.RESULT_BYTES / 8]);
    device.read(results, 0, read);
    for (Buffer buffer :
        List.of(
            rowBuffer,
            results,
            logitBuffer,
            buffers.biases(),
            buffers.penalties(),
            buffers.masks())) {
      device.free(buffer);
    }
    List<Result> out = new ArrayList<>();
    for (int r = 0; r < rows.size(); r++) {
      MemorySegment from =
          read.asSlice((long) r * SampleLayout.RESULT_BYTES, SampleLayout.RESULT_BYTES);
      List<Integer> topTokens = new ArrayList<>();
      List<Float> topLogprobs = new ArrayList<>();
      for (int i = 0; i < rows.get(r).logprobs; i++) {
        topTokens.add(from.get(JAVA_INT, SampleLayout.RESULT_TOP_TOKENS + 4L * i));
        topLogprobs.add(from.get(JAVA_FLOAT, SampleLayout.RESULT_TOP_LOGPROBS + 4L * i));
      }
      out.add(
          new Result(
              from.get(JAVA_INT, SampleLayout.RESULT_TOKEN),
              from.get(JAVA_FLOAT, SampleLayout.RESULT_LOGPROB),
              topTokens,
              topLogprobs));
    }
    return out;
  }

  private static Buffer pairs(DeviceFixture fixture, List<int[]> arrays) {
    return fixture.ints(arrays.stream().flatMapToInt(Arrays::stream).toArray());
  }
}
