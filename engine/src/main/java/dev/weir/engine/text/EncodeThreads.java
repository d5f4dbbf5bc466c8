package dev.weir.engine.text;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * A few platform threads on which virtual threads have their long texts encoded: a native call pins
 * the carrier of a virtual thread, and as many long prompts as there are carriers would stop every
 * other connection for as long as they take.
 */
final class EncodeThreads implements AutoCloseable {

  /** Half of the processors: the other half is left for the kernels and the carriers. */
  private static final int THREADS = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);

  /** Beyond these, the caller encodes for itself: slower for others, but never refused. */
  private static final int MAX_WAITING = 64;

  private static final long IDLE_SECONDS = 30;

  private final ThreadPoolExecutor executor;

  EncodeThreads() {
    executor =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(MAX_WAITING),
            Thread.ofPlatform().name("weir-encode-", 0).daemon().factory(),
            new ThreadPoolExecutor.CallerRunsPolicy());
    executor.allowCoreThreadTimeOut(true);
  }

  /** Runs {@code work} on one of the threads and waits for its result. */
  int[] run(Supplier<int[]> work) {
    FutureTask<int[]> task = new FutureTask<>(work::get);
    executor.execute(task);
    try {
      return task.get();
    } catch (InterruptedException e) {
      task.cancel(false);
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while a text was being encoded");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException("encoding failed", e.getCause());
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
