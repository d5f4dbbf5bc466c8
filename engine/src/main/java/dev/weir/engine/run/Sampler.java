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

/** Writes the parameter rows of one step's {@code sample}, calls it, and reads the results. */
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
  private final long penaltyCapacity;

  private int count;
  private int biasPairs;
  private int penaltyPairs;

  /**
   * @param maxRows the most rows of a step
   * @param maxLength the longest a sequence can become
   * @param results of {@link #results}
   */
  Sampler(Device device, int maxRows, int vocabulary, int maxLength, Staging results) {
    this.device = device;
    this.vocabulary = vocabulary;
    rows = device.staging((long) maxRows * SampleLayout.ROW_BYTES, "sampling parameters");
    biases = device.staging((long) maxRows * MAX_BIAS_PAIRS * PAIR_BYTES, "logit biases");
    penaltyCapacity = (long) maxRows * Math.min(vocabulary, maxLength);
    penalties = device.staging(penaltyCapacity * PAIR_BYTES, "penalised tokens");
    Staging masks = device.staging(Integer.BYTES, "token masks");
    this.results = results;
    buffers = new SampleBuffers(rows.device(), biases.device(), penalties.device(), masks.device());
  }

  /** Where the results of up to {@code maxRows} rows go. */
  static Staging results(Device device, int maxRows) {
    return device.staging((long) maxRows * SampleLayout.RESULT_BYTES, "sampled tokens");
  }

  void clear() {
    count = 0;
    biasPairs = 0;
    penaltyPairs = 0;
  }

  /** Adds the row of a sequence whose next token is to be drawn. */
  void add(Sequence sequence) {
    add(sequence.job.request().sampling(), sequence.seed, sequence.upcoming());
    long row = (long) (count - 1) * SampleLayout.ROW_BYTES;
    int firstBias = biasPairs;
    addBiases(sequence);
    rows.host().set(JAVA_INT, row + SampleLayout.BIAS_COUNT, biasPairs - firstBias);
    TokenCounts counts = sequence.counts;
    if (counts != null) {
      assert !sequence.drawing() : "a token that is not known yet is not counted either";
      assert penaltyPairs + counts.size() <= penaltyCapacity;
      rows.host().set(JAVA_INT, row + SampleLayout.PENALTY_COUNT, counts.size());
      counts.copyTo(penalties.host(), penaltyPairs);
      penaltyPairs += counts.size();
    }
  }

  /**
   * Adds a row without lists.
   *
   * @param position of the token that is to be drawn
   */
  void add(Sampling sampling, long seed, int position) {
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
    host.set(JAVA_LONG_UNALIGNED, row + SampleLayout.SEED, seed);
    host.set(JAVA_INT, row + SampleLayout.POSITION, position);
    host.set(JAVA_INT, row + SampleLayout.BIAS_OFFSET, biasPairs);
    host.set(JAVA_INT, row + SampleLayout.BIAS_COUNT, 0);
    host.set(JAVA_INT, row + SampleLayout.PENALTY_OFFSET, penaltyPairs);
    host.set(JAVA_INT, row + SampleLayout.PENALTY_COUNT, 0);
    host.set(JAVA_INT, row + SampleLayout.MASK_OFFSET, -1);
  }

  private void addBiases(Sequence sequence) {
    Job job = sequence.job;
    for (int i = 0; i < job.biasIds().length; i++) {
      addBias(job.biasIds()[i], job.biasValues()[i]);
    }
    int outputs = sequence.upcoming() - job.prompt().length;
    if (outputs < job.request().sampling().minTokens()) {
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

  /** Makes the rows visible to {@link #draw}. */
  void upload() {
    upload(rows, (long) count * SampleLayout.ROW_BYTES);
    upload(biases, (long) biasPairs * PAIR_BYTES);
    upload(penalties, (long) penaltyPairs * PAIR_BYTES);
  }

  private void upload(Staging staging, long bytes) {
    if (bytes > 0) {
      device.upload(staging, 0, bytes);
    }
  }

  /**
   * Calls the op that draws a token for every row.
   *
   * @param drawn rows; of a step that is recorded, those of its size class
   */
  void draw(int drawn, Buffer logits) {
    device.kernels().sample(drawn, vocabulary, logits, buffers, results.device());
  }

  /** Makes the results visible once {@code done} was awaited. */
  void download(Completion done) {
    device.download(results, (long) count * SampleLayout.RESULT_BYTES, done);
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
