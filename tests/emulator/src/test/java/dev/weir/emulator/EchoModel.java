package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * The least that is a model: an embedding, a norm, and the embedding again as the head. Of random
 * vectors each is most like itself, so the answer to a token is the token.
 */
final class EchoModel {
  static final int VOCABULARY = 100;
  static final int MAX_TOKENS = 40;

  private static final int HIDDEN = 64;
  private static final float EPSILON = 1e-6f;

  /** Arrays of a step lie behind one another in one staging, so many integers apart. */
  private static final int STRIDE = 64;

  // Which array of the staging.
  static final int COUNTS = 0;
  static final int TOKENS = 1;
  static final int POSITIONS = 2;
  static final int TOKEN_SLICES = 3;
  static final int SLICE_OFFSETS = 4;
  static final int KV_LENGTHS = 5;
  static final int TABLE_ROWS = 6;
  static final int SAMPLE_ROWS = 7;
  private static final int ARRAYS = 8;

  final StepProgram program = this::forward;
  final StepInputs step;

  private final Device device;
  private final Kernels kernels;
  private final LinearWeight embedding;
  private final Buffer residual;
  private final Buffer zeros;
  private final Buffer norm;
  private final Buffer normed;
  private final Buffer logits;
  private final Staging arrays;
  private final Staging rows;
  private final Staging results;
  private final SampleBuffers parameters;
  private final Completion done;

  EchoModel(Device device) {
    this.device = device;
    DType type = device.weightType(DType.BF16);
    AttentionShape attention = new AttentionShape(1, 1, HIDDEN, 1, AttentionShape.NO_WINDOW, 0);
    device.reserve(
        new StepLimits(MAX_TOKENS, MAX_TOKENS, MAX_TOKENS, STRIDE, attention, VOCABULARY, type));
    kernels = device.kernels();
    embedding = device.allocateLinear(type, VOCABULARY, HIDDEN, "embedding");
    Random random = new Random(1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment weights = arena.allocate(JAVA_SHORT, (long) VOCABULARY * HIDDEN);
      for (int i = 0; i < VOCABULARY * HIDDEN; i++) {
        int bits = Float.floatToRawIntBits((float) random.nextGaussian());
        weights.setAtIndex(JAVA_SHORT, i, (short) (bits >>> Short.SIZE));
      }
      device.pack(embedding, 0, VOCABULARY, weights);
      MemorySegment ones = arena.allocate(JAVA_FLOAT, HIDDEN);
      for (int i = 0; i < HIDDEN; i++) {
        ones.setAtIndex(JAVA_FLOAT, i, 1);
      }
      norm = device.allocate(ones.byteSize(), "norm");
      device.write(norm, 0, ones);
    }
    long activations = (long) MAX_TOKENS * HIDDEN * type.bytes();
    residual = device.allocate(activations, "residual");
    zeros = device.allocate(activations, "zeros");
    normed = device.allocate(activations, "normed");
    logits = device.allocate((long) MAX_TOKENS * VOCABULARY * Float.BYTES, "logits");
    arrays = device.staging((long) ARRAYS * STRIDE * Integer.BYTES, "arrays");
    rows = device.staging((long) MAX_TOKENS * SampleLayout.ROW_BYTES, "rows");
    results = device.staging((long) MAX_TOKENS * SampleLayout.RESULT_BYTES, "results");
    Staging none = device.staging(Long.BYTES, "no lists");
    parameters = new SampleBuffers(rows.device(), none.device(), none.device(), none.device());
    done = device.completion();
    for (int r = 0; r < MAX_TOKENS; r++) {
      MemorySegment row =
          rows.host().asSlice((long) r * SampleLayout.ROW_BYTES, SampleLayout.ROW_BYTES);
      row.set(JAVA_FLOAT, SampleLayout.TOP_P, 1);
      row.set(JAVA_FLOAT, SampleLayout.REPETITION, 1);
      row.set(JAVA_INT, SampleLayout.LOGPROBS, -1);
      row.set(JAVA_INT, SampleLayout.MASK_OFFSET, -1);
    }
    device.upload(rows, 0, rows.device().bytes());
    step =
        new StepInputs(
            array(COUNTS),
            array(TOKENS),
            array(POSITIONS),
            array(TOKEN_SLICES),
            array(SLICE_OFFSETS),
            array(KV_LENGTHS),
            array(TABLE_ROWS),
            array(TABLE_ROWS),
            1,
            array(SAMPLE_ROWS),
            null);
  }

  private Buffer array(int array) {
    return arrays.device().slice((long) array * STRIDE * Integer.BYTES, STRIDE * Integer.BYTES);
  }

  /** Sets an integer of one of the step's arrays. */
  void set(int array, int index, int value) {
    arrays.host().setAtIndex(JAVA_INT, (long) array * STRIDE + index, value);
  }

  private void forward(StepInputs inputs) {
    kernels.prepare(inputs);
    kernels.embed(inputs, embedding, residual);
    kernels.gatherAddRmsNorm(inputs, HIDDEN, residual, zeros, norm, EPSILON, normed);
    kernels.logits(inputs.samples(), normed, embedding, logits);
    kernels.sample(inputs.samples(), VOCABULARY, logits, parameters, results.device());
  }

  /** Fills a step: every token a sequence of its own, and sampled. */
  void fill(int... tokens) {
    for (int t = 0; t < tokens.length; t++) {
      set(TOKENS, t, tokens[t]);
      set(POSITIONS, t, 0);
      set(TOKEN_SLICES, t, t);
      set(SLICE_OFFSETS, t + 1, t + 1);
      set(KV_LENGTHS, t, 1);
      set(SAMPLE_ROWS, t, t);
    }
    counts(tokens.length);
  }

  /** Says how many tokens, slices and samples there are. */
  private void counts(int count) {
    for (int i = 0; i < 3; i++) {
      set(COUNTS, i, count);
    }
    step.counts(count, count, count);
  }

  /** Uploads the step that was filled, and enqueues it. */
  void compute() {
    compute(program);
  }

  /** The same with another program. */
  void compute(StepProgram program) {
    device.upload(arrays, 0, arrays.device().bytes());
    device.compute(step, program);
    device.download(results, results.device().bytes(), done);
  }

  /** Waits for the last step. */
  void await() {
    done.await();
  }

  /** The answer to a token of the last step. */
  int answer(int row) {
    return results
        .host()
        .get(JAVA_INT, (long) row * SampleLayout.RESULT_BYTES + SampleLayout.RESULT_TOKEN);
  }

  /** The answers to one step of these tokens. */
  int[] answers(int... tokens) {
    fill(tokens);
    compute();
    await();
    int[] answers = new int[tokens.length];
    for (int t = 0; t < tokens.length; t++) {
      answers[t] = answer(t);
    }
    return answers;
  }
}
