package dev.weir.kernels.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Draws tokens as {@link SampleLayout} says, in its order of steps. */
final class SampleReference {
  private static final int MASK_WORD_BITS = 32;
  private static final float BANNED = Float.NEGATIVE_INFINITY;

  private final int[] counter = new int[4];
  private float[] raw = new float[0];
  private float[] adjusted = new float[0];
  private long[] candidates = new long[0];

  void sample(int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    raw = Memory.atLeast(raw, vocabulary);
    adjusted = Memory.atLeast(adjusted, vocabulary);
    if (candidates.length < vocabulary) {
      candidates = new long[vocabulary];
    }
    for (int r = 0; r < rows; r++) {
      MemorySegment row =
          Memory.segment(parameters.rows())
              .asSlice((long) r * SampleLayout.ROW_BYTES, SampleLayout.ROW_BYTES);
      MemorySegment result =
          Memory.segment(results)
              .asSlice((long) r * SampleLayout.RESULT_BYTES, SampleLayout.RESULT_BYTES);
      Memory.read(logits, (long) r * vocabulary, raw, vocabulary);
      for (int i = 0; i < vocabulary; i++) {
        raw[i] = raw[i] < Float.POSITIVE_INFINITY ? raw[i] : BANNED;
        adjusted[i] = raw[i];
      }
      adjust(row, vocabulary, parameters);
      int token = draw(row, vocabulary);
      report(row, vocabulary, token, result);
    }
  }

  private void adjust(MemorySegment row, int vocabulary, SampleBuffers parameters) {
    MemorySegment biases = Memory.segment(parameters.biases());
    int firstBias = row.get(JAVA_INT, SampleLayout.BIAS_OFFSET);
    for (int i = 0; i < row.get(JAVA_INT, SampleLayout.BIAS_COUNT); i++) {
      int token = biases.getAtIndex(JAVA_INT, 2L * (firstBias + i));
      if (token >= 0 && token < vocabulary) {
        adjusted[token] += biases.getAtIndex(JAVA_FLOAT, 2L * (firstBias + i) + 1);
      }
    }

    int mask = row.get(JAVA_INT, SampleLayout.MASK_OFFSET);
    if (mask >= 0) {
      MemorySegment words = Memory.segment(parameters.masks());
      for (int token = 0; token < vocabulary; token++) {
        int word = words.getAtIndex(JAVA_INT, mask + token / MASK_WORD_BITS);
        if ((word >>> token % MASK_WORD_BITS & 1) == 0) {
          adjusted[token] = BANNED;
        }
      }
    }

    float repetition = row.get(JAVA_FLOAT, SampleLayout.REPETITION);
    float presence = row.get(JAVA_FLOAT, SampleLayout.PRESENCE);
    float frequency = row.get(JAVA_FLOAT, SampleLayout.FREQUENCY);
    MemorySegment penalties = Memory.segment(parameters.penalties());
    int firstPenalty = row.get(JAVA_INT, SampleLayout.PENALTY_OFFSET);
    for (int i = 0; i < row.get(JAVA_INT, SampleLayout.PENALTY_COUNT); i++) {
      int token = penalties.getAtIndex(JAVA_INT, 2L * (firstPenalty + i));
      int occurrences = penalties.getAtIndex(JAVA_INT, 2L * (firstPenalty + i) + 1);
      if (token >= 0 && token < vocabulary) {
        float logit = adjusted[token];
        logit = logit > 0 ? logit / repetition : logit * repetition;
        adjusted[token] = logit - (occurrences > 0 ? presence : 0) - occurrences * frequency;
      }
    }
  }

  private int draw(MemorySegment row, int vocabulary) {
    int best = SampleLayout.NO_TOKEN;
    float max = BANNED;
    for (int i = 0; i < vocabulary; i++) {
      if (adjusted[i] > max && adjusted[i] < Float.POSITIVE_INFINITY) {
        max = adjusted[i];
        best = i;
      }
    }
    float temperature = row.get(JAVA_FLOAT, SampleLayout.TEMPERATURE);
    if (best == SampleLayout.NO_TOKEN || temperature == 0) {
      return best;
    }

    int count = 0;
    for (int i = 0; i < vocabulary; i++) {
      if (adjusted[i] > BANNED && adjusted[i] < Float.POSITIVE_INFINITY) {
        candidates[count++] = descending(adjusted[i], i);
        // The largest is subtracted first, so that no temperature can make an infinity of it.
        adjusted[i] = (float) Math.exp((adjusted[i] - max) / temperature);
      }
    }
    int kept = keep(row, count, vocabulary);
    double total = 0;
    for (int i = 0; i < kept; i++) {
      total += adjusted[token(candidates[i])];
    }
    double target = uniform(row) * total;
    double cumulative = 0;
    for (int i = 0; i < kept; i++) {
      cumulative += adjusted[token(candidates[i])];
      if (cumulative > target) {
        return token(candidates[i]);
      }
    }
    throw new AssertionError("the uniform number was not below 1");
  }

  /** Orders the candidates if a filter is set, and says how many of them stay. */
  private int keep(MemorySegment row, int count, int vocabulary) {
    int topK = row.get(JAVA_INT, SampleLayout.TOP_K);
    float minP = row.get(JAVA_FLOAT, SampleLayout.MIN_P);
    float topP = row.get(JAVA_FLOAT, SampleLayout.TOP_P);
    boolean limited = topK != 0 && topK < vocabulary;
    if (!limited && minP == 0 && topP >= 1) {
      return count;
    }
    Arrays.sort(candidates, 0, count);
    int kept = limited ? Math.min(topK, count) : count;
    while (kept > 1 && adjusted[token(candidates[kept - 1])] < minP) {
      kept--;
    }
    if (topP >= 1) {
      return kept;
    }
    double total = 0;
    for (int i = 0; i < kept; i++) {
      total += adjusted[token(candidates[i])];
    }
    double cumulative = 0;
    for (int i = 0; i < kept; i++) {
      cumulative += adjusted[token(candidates[i])];
      if (cumulative >= topP * total) {
        return i + 1;
      }
    }
    return kept;
  }

  private double uniform(MemorySegment row) {
    long seed = row.get(JAVA_LONG, SampleLayout.SEED);
    Arrays.fill(counter, 0);
    counter[0] = row.get(JAVA_INT, SampleLayout.POSITION);
    Philox.permute(counter, (int) seed, (int) (seed >>> 32));
    return (counter[0] >>> 8) * 0x1p-24;
  }

  private void report(MemorySegment row, int vocabulary, int token, MemorySegment result) {
    result.set(JAVA_INT, SampleLayout.RESULT_TOKEN, token);
    int wanted = row.get(JAVA_INT, SampleLayout.LOGPROBS);
    if (wanted < 0) {
      result.set(JAVA_FLOAT, SampleLayout.RESULT_LOGPROB, Float.NaN);
      return;
    }
    float max = BANNED;
    for (int i = 0; i < vocabulary; i++) {
      max = Math.max(max, raw[i]);
    }
    double sum = 0;
    int tops = 0; // Of the `wanted` best so far, candidates[0 … tops) in order.
    for (int i = 0; i < vocabulary; i++) {
      if (raw[i] > BANNED) {
        sum += Math.exp(raw[i] - max);
        tops = insert(descending(raw[i], i), tops, wanted);
      }
    }
    double logSum = max + Math.log(sum);
    float chosen = token == SampleLayout.NO_TOKEN ? Float.NaN : (float) (raw[token] - logSum);
    result.set(JAVA_FLOAT, SampleLayout.RESULT_LOGPROB, chosen);
    for (int i = 0; i < wanted; i++) {
      int top = i < tops ? token(candidates[i]) : SampleLayout.NO_TOKEN;
      float logprob = i < tops ? (float) (raw[top] - logSum) : Float.NEGATIVE_INFINITY;
      result.set(JAVA_INT, SampleLayout.RESULT_TOP_TOKENS + 4L * i, top);
      result.set(JAVA_FLOAT, SampleLayout.RESULT_TOP_LOGPROBS + 4L * i, logprob);
    }
  }

  private int insert(long candidate, int size, int limit) {
    if (size == limit && (limit == 0 || candidate >= candidates[limit - 1])) {
      return size;
    }
    int at = size < limit ? size : limit - 1;
    for (; at > 0 && candidates[at - 1] > candidate; at--) {
      candidates[at] = candidates[at - 1];
    }
    candidates[at] = candidate;
    return Math.min(size + 1, limit);
  }

  /** A number that sorts by logit, descending, then by token id. */
  private static long descending(float logit, int token) {
    int bits = Float.floatToRawIntBits(logit + 0f); // Adding zero makes one zero of the two.
    int ascending = bits ^ (bits >> 31 & Integer.MAX_VALUE);
    return (long) ~ascending << 32 | token;
  }

  private static int token(long candidate) {
    return (int) candidate;
  }
}
