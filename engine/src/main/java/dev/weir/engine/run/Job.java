package dev.weir.engine.run;

import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.request.TimeLimitException;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.session.Session;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * One submitted request, as the step loop and its reader share it. The step thread writes the
 * choices' logs and wakes the reader.
 */
final class Job {
  private final Request request;
  private final int[] prompt;
  private final int maxLength;
  private final int vocabulary;
  private final int[] stopIds;
  private final int[] biasIds;
  private final float[] biasValues;
  private final Sequence[] sequences;
  private final TimeLimits limits;
  private final long queueNanos;
  private final long firstTokenNanos;
  private final long totalNanos;

  private volatile @Nullable Thread reader;

  /** When it was submitted, on the loop's clock. */
  long submittedNanos;

  /** Step thread: what it is a turn of. */
  @Nullable Session session;

  /** Step thread: what a journal calls the request; negative: it has none, or no room for it. */
  long journalNumber = -1;

  /** Step thread: whether the first choice's prompt is computed, and the others have joined. */
  boolean siblingsJoined;

  /**
   * @param prompt the prompt's tokens
   * @param maxLength the most tokens a choice can have, prompt included; above the prompt's length
   * @param endIds the model's own end-of-sequence tokens
   * @param seed what the choices' seeds derive from
   * @param defaults time limits where the request has none of its own
   */
  Job(
      Request request,
      int[] prompt,
      int maxLength,
      int vocabulary,
      int[] endIds,
      long seed,
      TimeLimits defaults) {
    this.request = request;
    this.prompt = prompt;
    this.maxLength = maxLength;
    this.vocabulary = vocabulary;
    Sampling sampling = request.sampling();
    int[] asked = sampling.stopTokenIds().stream().mapToInt(Integer::intValue).toArray();
    int[] own = sampling.ignoreEos() ? new int[0] : endIds;
    stopIds = Arrays.copyOf(asked, asked.length + own.length);
    System.arraycopy(own, 0, stopIds, asked.length, own.length);
    biasIds = sampling.logitBias().keySet().stream().mapToInt(Integer::intValue).sorted().toArray();
    biasValues = new float[biasIds.length];
    for (int i = 0; i < biasIds.length; i++) {
      Float bias = sampling.logitBias().get(biasIds[i]);
      biasValues[i] = bias == null ? 0 : bias;
    }
    limits = request.terms().limits().orElse(defaults);
    queueNanos = nanos(TimeLimit.QUEUE);
    firstTokenNanos = nanos(TimeLimit.FIRST_TOKEN);
    totalNanos = nanos(TimeLimit.TOTAL);
    sequences = new Sequence[request.choices()];
    for (int choice = 0; choice < sequences.length; choice++) {
      sequences[choice] = new Sequence(this, choice, Sampling.choiceSeed(seed, choice));
    }
  }

  private long nanos(TimeLimit clock) {
    return limits.of(clock).map(Job::nanos).orElse(LoopOptions.NO_LIMIT);
  }

  private static long nanos(Duration limit) {
    boolean countable = limit.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0;
    return countable ? limit.toNanos() : LoopOptions.NO_LIMIT;
  }

  /** What a clock may show at most, or {@link LoopOptions#NO_LIMIT}. */
  long limitNanos(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> queueNanos;
      case FIRST_TOKEN -> firstTokenNanos;
      case TOTAL -> totalNanos;
    };
  }

  /** Whether a clock that runs with the engine's work has a limit. */
  boolean limited() {
    return firstTokenNanos != LoopOptions.NO_LIMIT || totalNanos != LoopOptions.NO_LIMIT;
  }

  /** Says that a clock with a limit ran out before there was a token. */
  TimeLimitException timeLimitException(TimeLimit clock) {
    return new TimeLimitException(clock, limits.of(clock).orElse(Duration.ZERO));
  }

  Request request() {
    return request;
  }

  int[] prompt() {
    return prompt;
  }

  int maxLength() {
    return maxLength;
  }

  int vocabulary() {
    return vocabulary;
  }

  int[] stopIds() {
    return stopIds;
  }

  int[] biasIds() {
    return biasIds;
  }

  float[] biasValues() {
    return biasValues;
  }

  Sequence[] sequences() {
    return sequences;
  }

  boolean stopsAt(int token) {
    for (int stop : stopIds) {
      if (stop == token) {
        return true;
      }
    }
    return false;
  }

  /** Reader: will park; look at the logs once more after this. */
  void announceReader(@Nullable Thread thread) {
    reader = thread;
  }

  /** Step thread: something was published. */
  void wakeReader() {
    Thread waiting = reader;
    if (waiting != null) {
      LockSupport.unpark(waiting);
    }
  }
}
