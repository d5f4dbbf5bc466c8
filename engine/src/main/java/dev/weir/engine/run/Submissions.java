package dev.weir.engine.run;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Request;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The step loop's door: any thread hands a request in, the step thread takes it out. What can never
 * be served is refused here, and what there is no room for.
 */
final class Submissions {
  /** What clients are told to wait when the queue is full. */
  private static final int RETRY_AFTER_SECONDS = 1;

  private final int limit;
  private final int capacity;
  private final int vocabulary;
  private final int[] endIds;
  private final Counters counters;

  private final ConcurrentLinkedQueue<Job> submitted = new ConcurrentLinkedQueue<>();
  private final AtomicInteger sequences = new AtomicInteger();
  private volatile boolean closed;

  /**
   * @param limit the longest a sequence can become
   * @param capacity the most sequences that run or wait
   * @param endIds the model's own end-of-sequence tokens
   */
  Submissions(int limit, int capacity, int vocabulary, int[] endIds, Counters counters) {
    this.limit = limit;
    this.capacity = capacity;
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
   * @throws InvalidRequestException if it can never be served
   * @throws OverloadedException if the queue is full
   * @throws EngineClosedException after {@link #close}
   */
  Generation submit(Request request, int[] prompt, Function<Job, Generation> reader) {
    requireOpen();
    check(request, prompt);
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
      Job job = new Job(request, prompt, maxLength, vocabulary, endIds, seed);
      Generation generation = reader.apply(job);
      counters.requests.incrementAndGet();
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

  private void check(Request request, int[] prompt) {
    if (prompt.length == 0) {
      throw new InvalidRequestException(
          "prompt", "the prompt is empty; it needs at least one token");
    }
    if (prompt.length >= limit) {
      throw new InvalidRequestException(
          "prompt",
          "the prompt has %d tokens, and the context is %d tokens, one of them for the answer; shorten the prompt"
              .formatted(prompt.length, limit));
    }
    for (int id : prompt) {
      checkToken("prompt", id);
    }
    request.sampling().stopTokenIds().forEach(id -> checkToken("stop_token_ids", id));
    request.sampling().logitBias().keySet().forEach(id -> checkToken("logit_bias", id));
    if (request.choices() > capacity) {
      throw new InvalidRequestException(
          "n", "n is " + request.choices() + ", this engine takes at most " + capacity);
    }
  }

  private void checkToken(String parameter, int id) {
    if (id < 0 || id >= vocabulary) {
      throw new InvalidRequestException(
          parameter, "token id %d is outside the vocabulary of %d".formatted(id, vocabulary));
    }
  }

  /** Step thread: the next job, or null. */
  @Nullable Job take() {
    return submitted.poll();
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
