package dev.weir.engine.run;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.weir.engine.request.Sampling;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.Device;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.Staging;
import java.lang.foreign.MemorySegment;

/** Writes the parameter rows of one step's {@code sample}, runs it, and reads the results. */
final class Sampler {
  private static final int PAIR_BYTES = 8;
  private static final float BANNED = Float.NEGATIVE_INFINITY;

  /** The most end-of-sequence ids a model may have; real ones have up to five. */
  static final int MAX_END_IDS = 48;

  /** A request's own biases, and a ban for every token that can end it. */
  private static final int MAX_BIAS_PAIRS = Sampling.MAX_BIASES + Sampling.MAX_STOPS + MAX_END_IDS;

  private final Device device;
  private final int vocabulary;
  private final Staging rows;
  private final Staging biases;
  private final Staging penalties;
  private final Staging results;
  private final SampleBuffers buffers;
  private final Completion done;
  private final long penaltyCapacity;

  private int count;
  private int biasPairs;
  private int penaltyPairs;

  /**
   * @param maxRows the most rows of a step
   * @param maxLength the longest a sequence can become
   */
  Sampler(Device device, int maxRows, int vocabulary, int maxLength) {
    this.device = device;
    this.vocabulary = vocabulary;
    rows = device.staging((long) maxRows * SampleLayout.ROW_BYTES, "sampling parameters");
    biases = device.staging((long) maxRows * MAX_BIAS_PAIRS * PAIR_BYTES, "logit biases");
    penaltyCapacity = (long) maxRows * Math.min(vocabulary, maxLength);
    penalties = device.staging(penaltyCapacity * PAIR_BYTES, "penalised tokens");
    Staging masks = device.staging(Integer.BYTES, "token masks");
    results = device.staging((long) maxRows * SampleLayout.RESULT_BYTES, "sampled tokens");
    done = device.completion();
    buffers = new SampleBuffers(rows.device(), biases.device(), penalties.device(), masks.device());
  }

  void clear() {
    count = 0;
    biasPairs = 0;
    penaltyPairs = 0;
  }

  /** Adds the row of a sequence whose next token is to be drawn. */
  void add(Sequence sequence) {
    Job job = sequence.job;
    Sampling sampling = job.request().sampling();
    MemorySegment host = rows.host();
    long row = (long) count++ * SampleLayout.ROW_BYTES;
    host.set(JAVA_FLOAT, row + SampleLayout.TEMPERATURE, sampling.temperature());
    host.set(JAVA_FLOAT, row + SampleLayout.TOP_P, sampling.topP());
    host.set(JAVA_FLOAT, row + SampleLayout.MIN_P, sampling.minP());
    host.set(JAVA_INT, row + SampleLayout.TOP_K, sampling.topK());
    host.set(JAVA_FLOAT, row + SampleLayout.REPETITION, sampling.repetitionPenalty());
    host.set(JAVA_FLOAT, row + SampleLayout.PRESENCE, sampling.presencePenalty());
    host.set(JAVA_FLOAT, row + SampleLayout.FREQUENCY, sampling.frequencyPenalty());
    host.set(JAVA_INT, row + SampleLayout.LOGPROBS, sampling.logprobs());
    host.set(JAVA_LONG_UNALIGNED, row + SampleLayout.SEED, sequence.seed);
    host.set(JAVA_INT, row + SampleLayout.POSITION, sequence.length());
    host.set(JAVA_INT, row + SampleLayout.BIAS_OFFSET, biasPairs);
    addBiases(sequence);
    host.set(
        JAVA_INT,
        row + SampleLayout.BIAS_COUNT,
        biasPairs - host.get(JAVA_INT, row + SampleLayout.BIAS_OFFSET));
    host.set(JAVA_INT, row + SampleLayout.PENALTY_OFFSET, penaltyPairs);
    TokenCounts counts = sequence.counts;
    if (counts != null) {
      assert penaltyPairs + counts.size() <= penaltyCapacity;
      counts.copyTo(penalties.host(), penaltyPairs);
      penaltyPairs += counts.size();
    }
    host.set(JAVA_INT, row + SampleLayout.PENALTY_COUNT, counts == null ? 0 : counts.size());
    host.set(JAVA_INT, row + SampleLayout.MASK_OFFSET, -1);
  }

  private void addBiases(Sequence sequence) {
    Job job = sequence.job;
    for (int i = 0; i < job.biasIds().length; i++) {
      addBias(job.biasIds()[i], job.biasValues()[i]);
    }
    if (sequence.outputTokens() < job.request().sampling().minTokens()) {
      for (int stop : job.stopIds()) {
        addBias(stop, BANNED);
      }
    }
  }

  private void addBias(int token, float bias) {
    biases.host().setAtIndex(JAVA_INT, 2L * biasPairs, token);
    biases.host().setAtIndex(JAVA_FLOAT, 2L * biasPairs + 1, bias);
    biasPairs++;
  }

  /** Draws a token for every row, and waits for it. */
  void sample(Buffer logits) {
    device.upload(rows, 0, (long) count * SampleLayout.ROW_BYTES);
    device.upload(biases, 0, (long) biasPairs * PAIR_BYTES);
    device.upload(penalties, 0, (long) penaltyPairs * PAIR_BYTES);
    device.kernels().sample(count, vocabulary, logits, buffers, results.device());
    device.download(results, (long) count * SampleLayout.RESULT_BYTES, done);
    done.await();
  }

  /** Waits for a step that draws nothing. */
  void await() {
    device.download(results, 0, done);
    done.await();
  }

  /** The token drawn for a row, or {@link SampleLayout#NO_TOKEN}. */
  int token(int row) {
    return results.host().get(JAVA_INT, at(row) + SampleLayout.RESULT_TOKEN);
  }

  float logprob(int row) {
    return results.host().get(JAVA_FLOAT, at(row) + SampleLayout.RESULT_LOGPROB);
  }

  int alternative(int row, int rank) {
    return results
        .host()
        .get(JAVA_INT, at(row) + SampleLayout.RESULT_TOP_TOKENS + (long) rank * Integer.BYTES);
  }

  float alternativeLogprob(int row, int rank) {
    return results
        .host()
        .get(JAVA_FLOAT, at(row) + SampleLayout.RESULT_TOP_LOGPROBS + (long) rank * Float.BYTES);
  }

  private static long at(int row) {
    return (long) row * SampleLayout.RESULT_BYTES;
  }
}
