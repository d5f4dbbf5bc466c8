package dev.weir.engine.run;

import dev.weir.engine.request.EngineStats;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The step loop's counts: written by its thread alone, read by anyone. Opaque stores are as cheap
 * as plain ones and still whole.
 */
final class Counters {
  final AtomicLong steps = new AtomicLong();
  final AtomicLong stepNanos = new AtomicLong();
  final AtomicLong hostNanos = new AtomicLong();
  final AtomicLong exposedNanos = new AtomicLong();
  final AtomicLong prefillTokens = new AtomicLong();
  final AtomicLong decodeTokens = new AtomicLong();
  final AtomicLong promptTokens = new AtomicLong();
  final AtomicLong cachedTokens = new AtomicLong();
  final AtomicLong cancelled = new AtomicLong();
  final AtomicLong failed = new AtomicLong();
  final AtomicLong preemptions = new AtomicLong();
  final AtomicLong running = new AtomicLong();
  final AtomicLong waiting = new AtomicLong();
  final AtomicLong heldBlocks = new AtomicLong();
  final AtomicLong cachedBlocks = new AtomicLong();
  final AtomicLong heartbeat = new AtomicLong();

  // These two are counted by submitting threads.
  final AtomicLong requests = new AtomicLong();
  final AtomicLong rejected = new AtomicLong();

  /** Step thread: adds to a total. */
  static void add(AtomicLong counter, long amount) {
    counter.setOpaque(counter.getPlain() + amount);
  }

  EngineStats snapshot(int blocks, long now) {
    return new EngineStats(
        steps.getOpaque(),
        stepNanos.getOpaque(),
        hostNanos.getOpaque(),
        exposedNanos.getOpaque(),
        prefillTokens.getOpaque(),
        decodeTokens.getOpaque(),
        promptTokens.getOpaque(),
        cachedTokens.getOpaque(),
        requests.get(),
        rejected.get(),
        cancelled.getOpaque(),
        failed.getOpaque(),
        preemptions.getOpaque(),
        (int) running.getOpaque(),
        (int) waiting.getOpaque(),
        blocks,
        (int) heldBlocks.getOpaque(),
        (int) cachedBlocks.getOpaque(),
        Math.max(0, now - heartbeat.getOpaque()));
  }
}
