package dev.weir.engine.simulate;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Ops that compute nothing but this: a token leaves in the cache one number, its state, which mixes
 * the token with the state before it and with that of another earlier position, which the state
 * before it picks. So a state stands for all tokens up to its own, and what is drawn from it is
 * wrong if a block of the cache is not what it should be: lost, overwritten, or not copied yet.
 */
final class SimulatedKernels implements Kernels {
  private static final long B = KvShape.BLOCK_TOKENS;

  /** Of the states, where nothing is before the first token. */
  private static final long ORIGIN = 0x5DEECE66DL;

  private static final float NO_LOGPROB = Float.NaN;

  private final Draw draw;
  private @Nullable StepInputs step;
  private @Nullable KvArena cache;

  SimulatedKernels(Draw draw) {
    this.draw = draw;
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood 2014). */
  static long mix(long z) {
    long y = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    y = (y ^ (y >>> 27)) * 0x94D049BB133111EBL;
    return y ^ (y >>> 31);
  }

  private static MemorySegment segment(@Nullable Buffer buffer) {
    if (buffer instanceof HostBuffer host) {
      return host.segment();
    }
    throw new IllegalArgumentException("what a step says must lie in memory of Device.staging");
  }

  @Override
  public void prepare(StepInputs step) {
    this.step = step;
  }

  /** Writes the states of the step's tokens. */
  @Override
  public void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    this.cache = cache;
    MemorySegment states = segment(cache.memory());
    MemorySegment ids = segment(step.tokenIds());
    MemorySegment offsets = segment(step.sliceOffsets());
    MemorySegment lengths = segment(step.kvLengths());
    MemorySegment rows = segment(step.blockTableRows());
    MemorySegment table = segment(step.blockTable());
    for (int slice = 0; slice < step.slices(); slice++) {
      int from = offsets.getAtIndex(JAVA_INT, slice);
      int to = offsets.getAtIndex(JAVA_INT, slice + 1);
      int position = lengths.getAtIndex(JAVA_INT, slice) - (to - from);
      long row = (long) rows.getAtIndex(JAVA_INT, slice) * step.blockTableWidth();
      long state =
          position == 0
              ? ORIGIN
              : states.getAtIndex(JAVA_LONG_UNALIGNED, at(table, row, position - 1));
      for (int t = from; t < to; t++, position++) {
        long earlier = 0;
        if (position > 0) {
          int picked = (int) ((state >>> 33) % position);
          earlier = states.getAtIndex(JAVA_LONG_UNALIGNED, at(table, row, picked));
        }
        state = mix(31 * state + earlier + token(step, ids.getAtIndex(JAVA_INT, t)));
        states.setAtIndex(JAVA_LONG_UNALIGNED, at(table, row, position), state);
      }
    }
  }

  /** Where the state of a position lies, in longs. */
  private static long at(MemorySegment table, long row, long position) {
    return table.getAtIndex(JAVA_INT, row + position / B) * B + position % B;
  }

  private static int token(StepInputs step, int id) {
    return id >= 0
        ? id
        : segment(step.drawn())
            .get(JAVA_INT, (-1L - id) * SampleLayout.RESULT_BYTES + SampleLayout.RESULT_TOKEN);
  }

  @Override
  public void sample(
      int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    StepInputs now = step;
    KvArena arena = cache;
    if (now == null || arena == null) {
      throw new IllegalStateException("nothing was computed that could be drawn from");
    }
    MemorySegment states = segment(arena.memory());
    MemorySegment sampled = segment(now.sampleRows());
    MemorySegment slices = segment(now.tokenSlices());
    MemorySegment positions = segment(now.positions());
    MemorySegment tableRows = segment(now.blockTableRows());
    MemorySegment table = segment(now.blockTable());
    MemorySegment asked = segment(parameters.rows());
    MemorySegment biases = segment(parameters.biases());
    MemorySegment out = segment(results);
    for (int r = 0; r < rows; r++) {
      int t = sampled.getAtIndex(JAVA_INT, r);
      int slice = slices.getAtIndex(JAVA_INT, t);
      long row = (long) tableRows.getAtIndex(JAVA_INT, slice) * now.blockTableWidth();
      long state =
          states.getAtIndex(JAVA_LONG_UNALIGNED, at(table, row, positions.getAtIndex(JAVA_INT, t)));
      long parameter = (long) r * SampleLayout.ROW_BYTES;
      int token =
          draw.token(
              asked.get(JAVA_LONG_UNALIGNED, parameter + SampleLayout.SEED),
              asked.get(JAVA_INT, parameter + SampleLayout.POSITION),
              state);
      long result = (long) r * SampleLayout.RESULT_BYTES;
      out.set(
          JAVA_INT,
          result + SampleLayout.RESULT_TOKEN,
          allowed(token, vocabulary, asked, parameter, biases));
      out.set(JAVA_FLOAT, result + SampleLayout.RESULT_LOGPROB, NO_LOGPROB);
      int logprobs = asked.get(JAVA_INT, parameter + SampleLayout.LOGPROBS);
      for (int i = 0; i < logprobs; i++) {
        out.set(
            JAVA_INT,
            result + SampleLayout.RESULT_TOP_TOKENS + (long) i * Integer.BYTES,
            SampleLayout.NO_TOKEN);
      }
    }
  }

  /** The token, or the next one that no bias bans. */
  private static int allowed(
      int token, int vocabulary, MemorySegment asked, long parameter, MemorySegment biases) {
    int count = asked.get(JAVA_INT, parameter + SampleLayout.BIAS_COUNT);
    int from = asked.get(JAVA_INT, parameter + SampleLayout.BIAS_OFFSET);
    int candidate = token;
    for (int tries = 0; tries < count && banned(candidate, from, count, biases); tries++) {
      candidate = (candidate + 1) % vocabulary;
    }
    return candidate;
  }

  private static boolean banned(int token, int from, int count, MemorySegment biases) {
    for (int i = from; i < from + count; i++) {
      if (biases.getAtIndex(JAVA_INT, 2L * i) == token
          && biases.getAtIndex(JAVA_FLOAT, 2L * i + 1) == Float.NEGATIVE_INFINITY) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void embed(StepInputs step, LinearWeight table, Buffer out) {}

  @Override
  public void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {}

  @Override
  public void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {}

  @Override
  public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {}

  @Override
  public void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {}

  @Override
  public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {}

  @Override
  public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {}

  @Override
  public void copyBlocks(KvArena cache, int count, Buffer pairs) {
    MemorySegment states = segment(cache.memory());
    MemorySegment numbers = segment(pairs);
    long bytes = cache.shape().blockBytes();
    for (int i = 0; i < count; i++) {
      long from = numbers.getAtIndex(JAVA_INT, 2L * i) * bytes;
      long to = numbers.getAtIndex(JAVA_INT, 2L * i + 1) * bytes;
      MemorySegment.copy(states, from, states, to, bytes);
    }
  }
}
