package dev.weir.engine.run;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Request;
import dev.weir.kernels.KvShape;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The step loop's door: any thread hands a request in, the step thread takes it out. What can never
 * be served is refused here, and what there is no room for.
 */
final class Submissions {
  /** What clients are told to wait when the queue is full. */
  private static final int RETRY_AFTER_SECONDS = 1;

  /** Longer predictions are guesses. */
  private static final int MAX_RETRY_AFTER_SECONDS = 600;

  private static final double NANOS_PER_SECOND = 1e9;
  private static final int NANO_DIGITS = 9;

  /** More digits of a prediction are noise. */
  private static final int SHOWN_DIGITS = 2;

  /**
   * What one prompt's own tokens are predicted to take.
   *
   * @param cached how many of them need not be computed
   * @param besideNanos beside what decodes now
   * @param aloneNanos on an idle device
   */
  record PromptTime(int cached, double besideNanos, double aloneNanos) {}

  private final int limit;
  private final int capacity;
  private final int vocabulary;
  private final int[] endIds;
  private final int shards;
  private final LoopOptions options;
  private final Function<int[], PromptTime> promptTime;
  private final Counters counters;

  /** What the step thread predicts: the time of all that waits, and what each token adds. */
  private volatile double aheadNanos;

  private volatile double nanosPerToken;

  /** Of prompts that were submitted and not yet taken. */
  private final AtomicLong untakenTokens = new AtomicLong();

  private final ConcurrentLinkedQueue<Job> submitted = new ConcurrentLinkedQueue<>();
  private final AtomicInteger sequences = new AtomicInteger();
  private volatile boolean closed;

  /**
   * @param limit the longest a sequence can become
   * @param capacity the most sequences that run or wait
   * @param shards how many there are to be pinned to
   * @param endIds the model's own end-of-sequence tokens
   * @param promptTime asks the step thread
   */
  Submissions(
      int limit,
      int capacity,
      int shards,
      int vocabulary,
      int[] endIds,
      LoopOptions options,
      Function<int[], PromptTime> promptTime,
      Counters counters) {
    this.limit = limit;
    this.capacity = capacity;
    this.shards = shards;
    this.options = options;
    this.promptTime = promptTime;
    this.vocabulary = vocabulary;
    this.endIds = endIds.clone();
    this.counters = counters;
  }

  /** The longest a sequence can become. */
  int limit() {
    return limit;
  }

  /**
   * Any thread: takes a request.
   *
   * @param reader makes the reader's side of the job
   * @throws InvalidRequestException if it can never be served, or is predicted to take too long
   *     whatever else there is to do
   * @throws OverloadedException if the queue is full, or predicted to take too long
   * @throws EngineClosedException after {@link #close}
   */
  Generation submit(Request request, int[] prompt, Function<Job, Generation> reader) {
    requireOpen();
    check(request, prompt);
    requireSoon(prompt);
    int choices = request.choices();
    if (sequences.addAndGet(choices) > capacity) {
      sequences.addAndGet(-choices);
      counters.rejected.incrementAndGet();
      throw new OverloadedException(
          "the queue is full: " + capacity + " sequences are running or waiting; try again later",
          RETRY_AFTER_SECONDS);
    }
    try {
      int maxLength = (int) Math.min(limit, (long) prompt.length + request.sampling().maxTokens());
      long seed = request.sampling().seed().orElseGet(ThreadLocalRandom.current()::nextLong);
      Job job = new Job(request, prompt, maxLength, vocabulary, endIds, seed, options.limits());
      Generation generation = reader.apply(job);
      counters.requests.incrementAndGet();
      untakenTokens.addAndGet(prompt.length);
      submitted.add(job);
      if (closed) {
        failAll(); // the loop may have looked for the last time before the job was added
      }
      return generation;
    } catch (RuntimeException | Error failure) {
      sequences.addAndGet(-choices);
      throw failure;
    }
  }

  /**
   * Refuses what is predicted to have its first token later than anyone should wait: for now where
   * others are in its way, for good where its prompt alone takes that long. A guess counts all of
   * its tokens; only who would be refused by it waits for the step thread to say what is cached.
   */
  private void requireSoon(int[] prompt) {
    long limitNanos = options.maxQueueNanos();
    double ahead = aheadNanos + nanosPerToken * untakenTokens.get();
    if (limitNanos == LoopOptions.NO_LIMIT || ahead + nanosPerToken * prompt.length <= limitNanos) {
      return;
    }
    PromptTime time = promptTime.apply(prompt);
    if (time.aloneNanos > limitNanos) {
      counters.rejected.incrementAndGet();
      throw new InvalidRequestException(
          "prompt",
          "the prompt's first token is predicted to take %s even with nothing else to do (%d of its %d tokens are cached), and no prompt is taken above the limit of %s (--max-queue-time); shorten the prompt, or serve with a higher limit"
              .formatted(above(time.aloneNanos), time.cached, prompt.length, seconds(limitNanos)));
    }
    double nanos = ahead + time.besideNanos;
    if (nanos > limitNanos) {
      counters.rejected.incrementAndGet();
      throw new OverloadedException(
          "the first token is predicted to take %s with all that runs and waits, longer than the limit of %s; try again later"
              .formatted(above(nanos), seconds(limitNanos)),
          (int)
              Math.clamp(
                  Math.ceil((nanos - limitNanos) / NANOS_PER_SECOND),
                  RETRY_AFTER_SECONDS,
                  MAX_RETRY_AFTER_SECONDS));
    }
  }

  /** A limit as it was given: 0.25 s. */
  private static String seconds(long nanos) {
    return seconds(BigDecimal.valueOf(nanos, NANO_DIGITS));
  }

  /** A prediction that is beyond a limit: rounded, and never to the limit itself. */
  private static String above(double nanos) {
    return seconds(
        BigDecimal.valueOf((long) Math.ceil(nanos), NANO_DIGITS)
            .round(new MathContext(SHOWN_DIGITS, RoundingMode.CEILING)));
  }

  private static String seconds(BigDecimal seconds) {
    return seconds.stripTrailingZeros().toPlainString() + " s";
  }

  /** Step thread: what a request would wait for now. */
  void forecast(double ahead, double perToken) {
    aheadNanos = ahead;
    nanosPerToken = perToken;
  }

  private void check(Request request, int[] prompt) {
    if (prompt.length == 0) {
      throw new InvalidRequestException(
          "prompt", "the prompt is empty; it needs at least one token");
    }
    if (prompt.length >= limit) {
      throw new InvalidRequestException("prompt", tooLong(prompt.length));
    }
    for (int id : prompt) {
      checkToken("prompt", id);
    }
    request.sampling().stopTokenIds().forEach(id -> checkToken("stop_token_ids", id));
    request.sampling().logitBias().keySet().forEach(id -> checkToken("logit_bias", id));
    OptionalInt shard = request.terms().shard();
    if (shard.isPresent() && (shard.getAsInt() < 0 || shard.getAsInt() >= shards)) {
      throw new InvalidRequestException(
          "shard",
          "there is no shard %d; this engine has %s"
              .formatted(
                  shard.getAsInt(), shards == 1 ? "shard 0" : "shards 0 to " + (shards - 1)));
    }
    if (request.choices() > capacity) {
      throw new InvalidRequestException(
          "n", "n is " + request.choices() + ", this engine takes at most " + capacity);
    }
  }

  private String tooLong(int tokens) {
    return limit == options.maxLength()
        ? "the prompt has %d tokens, and the context is %d tokens, one of them for the answer; shorten the prompt"
            .formatted(tokens, limit)
        : "the prompt has %d tokens, and a shard's KV memory holds %d (%d blocks of %d), one of them for the answer; shorten the prompt, or serve with more KV memory or fewer shards"
            .formatted(tokens, limit, limit / KvShape.BLOCK_TOKENS, KvShape.BLOCK_TOKENS);
  }

  private void checkToken(String parameter, int id) {
    if (id < 0 || id >= vocabulary) {
      throw new InvalidRequestException(
          parameter, "token id %d is outside the vocabulary of %d".formatted(id, vocabulary));
    }
  }

  /** Step thread: the next job, or null. */
  @Nullable Job take() {
    Job job = submitted.poll();
    if (job != null) {
      untakenTokens.addAndGet(-job.prompt().length);
    }
    return job;
  }

  /** Step thread: a sequence that was taken has ended; there is room for another. */
  void ended() {
    sequences.decrementAndGet();
  }

  /** Any thread: refuses whatever comes from now on. */
  void close() {
    closed = true;
  }

  boolean closed() {
    return closed;
  }

  /**
   * @throws EngineClosedException after {@link #close}
   */
  void requireOpen() {
    if (closed) {
      throw new EngineClosedException();
    }
  }

  /** Tells the readers of what was never taken that the engine is closed. */
  void failAll() {
    for (Job job = submitted.poll(); job != null; job = submitted.poll()) {
      for (Sequence sequence : job.sequences()) {
        sequences.decrementAndGet();
        sequence.log.end(TokenLog.Ending.failure(new EngineClosedException()));
      }
      job.wakeReader();
    }
  }
}
