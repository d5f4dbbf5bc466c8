package dev.weir.engine.request;

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
   */
  @Nullable TokenEvent next() throws InterruptedException;

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
