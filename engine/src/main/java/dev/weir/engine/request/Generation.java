package dev.weir.engine.request;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A running request, held by whoever submitted it. One consumer reads it: either event by event
 * with {@link #next}, or all at once with {@link #await} or {@link #future}. Reading blocks;
 * virtual threads are meant to do it. A reader that is slow, or never reads, holds up nobody:
 * tokens wait in memory that was set aside when the request was submitted.
 */
public interface Generation extends AutoCloseable {

  /** The prompt's tokens, as the model sees them. */
  int[] promptTokens();

  /**
   * The next event, of whichever choice has one; waits for it.
   *
   * @return null when every choice has finished
   * @throws RequestFailedException if the engine could not go on with this request
   * @throws TimeLimitException if its time ran out before it had a token
   */
  @Nullable TokenEvent next() throws InterruptedException;

  /**
   * Waits until {@link #next} would return at once, but no longer than {@code atMost}.
   *
   * @return whether it would
   */
  boolean awaitEvent(Duration atMost) throws InterruptedException;

  /** How many of the prompt's tokens are in the cache by now, for the first choice. */
  int prefilledTokens();

  /** Where the time went, and where the prompt's KV came from, so far. */
  Account account();

  /** What the request took so far; final once {@link #next} has returned null. */
  Usage usage();

  /**
   * Waits for the end and gives the whole result, also of what {@link #next} has read. After {@link
   * #cancel} it is what had been generated.
   *
   * @throws RequestFailedException if the engine could not go on with this request
   */
  Completion await() throws InterruptedException;

  /**
   * The same, read by a virtual thread of its own. Completes exceptionally where {@link #await}
   * would throw.
   */
  CompletableFuture<Completion> future();

  /**
   * Ends the request within one step; its blocks are returned. What was generated can still be
   * read. Idempotent, from any thread.
   */
  void cancel();

  /** Cancels, if it has not finished. */
  @Override
  default void close() {
    cancel();
  }
}
