package dev.weir.kernels;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;

/**
 * What must hold of sample's parameters before a device in host memory follows them: ranges of
 * numbers, and lists that lie inside their buffers. Every check throws {@link
 * IllegalArgumentException} and names the row and the number that was wrong.
 */
public final class SampleChecks {
  private static final int PAIR_BYTES = 8;

  private SampleChecks() {}

  /** Checks all rows of one call. */
  public static void sampled(
      int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    if (rows < 0 || vocabulary < 1) {
      throw new IllegalArgumentException(
          "sample: " + rows + " rows of a vocabulary of " + vocabulary);
    }
    StepChecks.holds(logits, (long) rows * vocabulary, Float.BYTES, "sample: logits");
    StepChecks.holds(parameters.rows(), rows, SampleLayout.ROW_BYTES, "sample: rows");
    StepChecks.holds(results, rows, SampleLayout.RESULT_BYTES, "sample: results");
    long biases = parameters.biases().bytes() / PAIR_BYTES;
    long penalties = parameters.penalties().bytes() / PAIR_BYTES;
    long words = parameters.masks().bytes() / Integer.BYTES;
    int maskWords = (vocabulary + Integer.SIZE - 1) / Integer.SIZE;
    for (int r = 0; r < rows; r++) {
      require(
          r, "temperature", number(parameters, r, SampleLayout.TEMPERATURE), 0, Float.MAX_VALUE);
      require(r, "top p", number(parameters, r, SampleLayout.TOP_P), Float.MIN_VALUE, 1);
      require(r, "min p", number(parameters, r, SampleLayout.MIN_P), 0, 1);
      float repetition = number(parameters, r, SampleLayout.REPETITION);
      require(r, "repetition penalty", repetition, Float.MIN_VALUE, Float.MAX_VALUE);
      require(r, "top k", integer(parameters, r, SampleLayout.TOP_K), 0, Integer.MAX_VALUE);
      int logprobs = integer(parameters, r, SampleLayout.LOGPROBS);
      require(r, "logprobs", logprobs, -1, SampleLayout.MAX_LOGPROBS);
      list(parameters, r, "biases", SampleLayout.BIAS_OFFSET, SampleLayout.BIAS_COUNT, biases);
      list(
          parameters,
          r,
          "penalties",
          SampleLayout.PENALTY_OFFSET,
          SampleLayout.PENALTY_COUNT,
          penalties);
      int mask = integer(parameters, r, SampleLayout.MASK_OFFSET);
      require(r, "mask offset", mask, -1, Math.max(-1, words - maskWords));
    }
  }

  private static void list(
      SampleBuffers parameters, int row, String what, int offset, int count, long pairs) {
    int first = integer(parameters, row, offset);
    int length = integer(parameters, row, count);
    if (length < 0 || length > pairs || (length > 0 && (first < 0 || first > pairs - length))) {
      throw refused(
          row,
          what,
          length + " pairs from pair " + first + ", not within the " + pairs + " of their buffer");
    }
  }

  private static void require(int row, String what, long value, long least, long most) {
    if (value < least || value > most) {
      throw refused(row, what, value + ", not within " + least + " … " + most);
    }
  }

  /** NaN is in no range. */
  private static void require(int row, String what, float value, float least, float most) {
    if (!(value >= least && value <= most)) {
      throw refused(row, what, value + ", not within " + least + " … " + most);
    }
  }

  private static IllegalArgumentException refused(int row, String what, String why) {
    return new IllegalArgumentException("sample: " + what + " of row " + row + " is " + why);
  }

  private static float number(SampleBuffers parameters, int row, int field) {
    return rows(parameters).get(JAVA_FLOAT, (long) row * SampleLayout.ROW_BYTES + field);
  }

  private static int integer(SampleBuffers parameters, int row, int field) {
    return rows(parameters).get(JAVA_INT, (long) row * SampleLayout.ROW_BYTES + field);
  }

  private static MemorySegment rows(SampleBuffers parameters) {
    return switch (parameters.rows()) {
      case HostBuffer host -> host.segment();
      case DeviceBuffer device -> device.requireMirror();
    };
  }
}
