package dev.weir.engine.run;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.OverloadedException;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/** What other threads want to know of the step thread's own state: it answers between two steps. */
final class Questions {
  /** More would hold up a step. */
  private static final int MOST = 64;

  private static final int RETRY_AFTER_SECONDS = 1;

  /** Longer than any step: who has no answer by then asks a thread that is stuck. */
  private static final int ANSWER_SECONDS = 30;

  private final ConcurrentLinkedQueue<FutureTask<?>> asked = new ConcurrentLinkedQueue<>();
  private final AtomicInteger waiting = new AtomicInteger();
  private volatile boolean closed;

  /**
   * Any thread: asks, and waits for the answer.
   *
   * @param wake wakes the step thread
   * @throws RuntimeException what the question throws
   * @throws OverloadedException if too many ask, or the step thread does not answer
   * @throws EngineClosedException if nobody answers any more
   */
  <T> T ask(Callable<T> question, Runnable wake) {
    if (waiting.incrementAndGet() > MOST) {
      waiting.decrementAndGet();
      throw new OverloadedException("too many ask at once; try again later", RETRY_AFTER_SECONDS);
    }
    FutureTask<T> task = new FutureTask<>(question);
    asked.add(task);
    if (closed) {
      close(); // the step thread may have looked for the last time before the task was added
    }
    wake.run();
    try {
      return task.get(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for the step thread");
    } catch (TimeoutException stuck) {
      task.cancel(false);
      throw new OverloadedException(
          "the engine has not answered for " + ANSWER_SECONDS + " s; its step may be stuck",
          RETRY_AFTER_SECONDS);
    } catch (CancellationException ended) {
      throw new EngineClosedException();
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(failure.getCause());
    }
  }

  /** Step thread: answers what was asked. */
  void answer() {
    for (FutureTask<?> next = asked.poll(); next != null; next = asked.poll()) {
      waiting.decrementAndGet();
      next.run();
    }
  }

  /** Step thread: answers nothing any more. */
  void close() {
    closed = true;
    for (FutureTask<?> next = asked.poll(); next != null; next = asked.poll()) {
      waiting.decrementAndGet();
      next.cancel(false);
    }
  }
}
