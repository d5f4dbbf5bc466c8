package dev.weir.engine.run;

import dev.weir.engine.model.StepBatch;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.plan.StepPlan;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepProgram;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * All there is of one step, in the making or in flight. Its memory is its own, so that the host
 * fills a step while copies of the one before still read theirs.
 */
final class StepFrame {
  /** Nobody has seen yet that the step is done. */
  private static final long NOT_SEEN = Long.MIN_VALUE;

  private final Device device;
  private final Transformer transformer;
  private final KvArena arena;
  private final StepPlan plan;
  private final StepBatch batch;
  private final Sampler sampler;
  private final Completion done;
  private final StepProgram program = this::compute;

  // The slices' sequences, how many of their tokens are computed once this step is done, and the
  // row that draws their next one.
  private final @Nullable Sequence[] sequences;
  private final int[] computed;
  private final int[] lengths;
  private final boolean[] prefilling;
  private final @Nullable Sequence[] sampled;
  private int slices;
  private int samples;
  private int prefillTokens;
  private long launchedNanos;
  private long doneNanos = NOT_SEEN;

  /**
   * @param firstBlock what the loop calls the first block of the arena
   * @param results where this step's results go
   * @param drawn where those of the step before are, if its tokens may be referred to
   */
  StepFrame(
      DeviceModel model,
      int firstBlock,
      LoopOptions options,
      Staging results,
      @Nullable Buffer drawn) {
    device = model.device();
    transformer = model.transformer();
    arena = model.arena();
    int slots = options.slots();
    int maxLength = options.maxLength();
    plan = new StepPlan(slots);
    batch =
        new StepBatch(
            device,
            options.plan().stepTokens(),
            slots,
            Sequence.blocksFor(maxLength),
            firstBlock,
            drawn);
    sampler = new Sampler(device, slots, transformer.vocabulary(), maxLength, results);
    done = device.completion();
    sequences = new Sequence[slots];
    computed = new int[slots];
    lengths = new int[slots];
    prefilling = new boolean[slots];
    sampled = new Sequence[slots];
  }

  /** What the next {@link #fill} takes. */
  StepPlan plan() {
    return plan;
  }

  StepBatch batch() {
    return batch;
  }

  Sampler sampler() {
    return sampler;
  }

  void clear() {
    batch.clear();
    sampler.clear();
    Arrays.fill(sequences, 0, slices, null);
    Arrays.fill(sampled, 0, samples, null);
    slices = 0;
    samples = 0;
    prefillTokens = 0;
  }

  /**
   * Fills the step with what is planned of the running sequences.
   *
   * @return whether there is anything to compute
   */
  boolean fill(RunningSequences running) {
    clear();
    for (int i = 0; i < running.count(); i++) {
      if (plan.length(i) > 0) {
        add(running.get(i), plan.length(i));
      }
    }
    return slices > 0;
  }

  private void add(Sequence sequence, int length) {
    boolean sample = length == sequence.pending();
    int first = sequence.computed;
    batch.beginSlice(sequence.slot, sequence.blocks, first);
    for (int position = first; position < first + length; position++) {
      batch.token(sequence.input(position));
    }
    batch.endSlice(sample);
    sequences[slices] = sequence;
    prefilling[slices] = sequence.pending() > 1;
    lengths[slices] = length;
    computed[slices++] = first + length;
    if (sample) {
      sampler.add(sequence);
      sampled[samples++] = sequence;
    }
    prefillTokens += sequence.pending() > 1 ? length : 0;
  }

  /** Hands the step to the device, and tells its sequences how far they will be. */
  void launch(long now) {
    launchedNanos = now;
    doneNanos = NOT_SEEN;
    StepInputs inputs = batch.upload();
    sampler.upload();
    device.compute(inputs, program);
    sampler.download(done);
    for (int slice = 0; slice < slices; slice++) {
      Sequence sequence = sequence(slice);
      sequence.launched(computed[slice] - sequence.computed);
    }
    for (int row = 0; row < samples; row++) {
      sampled(row).launchedDraw(row);
    }
  }

  private void compute(StepInputs step) {
    transformer.forward(step, arena);
    if (step.samples() > 0) {
      sampler.draw(step.samples(), transformer.logits());
    }
  }

  /** Whether the step is done; does not wait. When that is seen first is when it ended. */
  boolean done(Clock clock) {
    if (doneNanos == NOT_SEEN && done.done()) {
      doneNanos = clock.nanos();
    }
    return doneNanos != NOT_SEEN;
  }

  /** Waits for the step; then the sampler has its results. */
  void await(Clock clock) {
    done.await();
    if (doneNanos == NOT_SEEN) {
      doneNanos = clock.nanos();
    }
  }

  /** Waits for whatever the device still does, this step or not. */
  void settle() {
    sampler.clear();
    sampler.download(done);
    done.await();
  }

  int slices() {
    return slices;
  }

  Sequence sequence(int slice) {
    return Objects.requireNonNull(sequences[slice]);
  }

  /** How many tokens of a slice's sequence are computed once this step is done. */
  int computed(int slice) {
    return computed[slice];
  }

  /** How many of a slice's sequence's tokens were computed before this step. */
  int first(int slice) {
    return computed[slice] - lengths[slice];
  }

  /** Whether a slice computes some of a prompt rather than decodes. */
  boolean prefills(int slice) {
    return prefilling[slice];
  }

  /** How many of a slice's sequence's tokens this step computes. */
  int length(int slice) {
    return lengths[slice];
  }

  int samples() {
    return samples;
  }

  Sequence sampled(int row) {
    return Objects.requireNonNull(sampled[row]);
  }

  int prefillTokens() {
    return prefillTokens;
  }

  long launchedNanos() {
    return launchedNanos;
  }

  /** When the step that was awaited ended. */
  long doneNanos() {
    return doneNanos;
  }
}
