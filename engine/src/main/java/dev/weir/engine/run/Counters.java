package dev.weir.engine.run;

import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.TimeLimit;
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
  final AtomicLong copiedTokens = new AtomicLong();
  final AtomicLong restoredTokens = new AtomicLong();
  final AtomicLong evictedTokens = new AtomicLong();
  final AtomicLong spilledBlocks = new AtomicLong();
  final AtomicLong stalledNanos = new AtomicLong();
  final AtomicLong timedOutInQueue = new AtomicLong();
  final AtomicLong timedOutBeforeFirstToken = new AtomicLong();
  final AtomicLong timedOut = new AtomicLong();
  final AtomicLong missedByFloor = new AtomicLong();
  final AtomicLong missedByWorstStep = new AtomicLong();
  final AtomicLong running = new AtomicLong();
  final AtomicLong waiting = new AtomicLong();
  final AtomicLong heldBlocks = new AtomicLong();
  final AtomicLong cachedBlocks = new AtomicLong();
  final AtomicLong hostCachedBlocks = new AtomicLong();
  final AtomicLong heartbeat = new AtomicLong();

  // These two are counted by submitting threads.
  final AtomicLong requests = new AtomicLong();
  final AtomicLong rejected = new AtomicLong();

  /** Step thread: adds to a total. */
  static void add(AtomicLong counter, long amount) {
    counter.setOpaque(counter.getPlain() + amount);
  }

  /** Requests that ran out of time on a clock. */
  AtomicLong timedOut(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> timedOutInQueue;
      case FIRST_TOKEN -> timedOutBeforeFirstToken;
      case TOTAL -> timedOut;
    };
  }

  EngineStats snapshot(int blocks, int hostBlocks, long now) {
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
        copiedTokens.getOpaque(),
        restoredTokens.getOpaque(),
        evictedTokens.getOpaque(),
        spilledBlocks.getOpaque(),
        stalledNanos.getOpaque(),
        timedOutInQueue.getOpaque(),
        timedOutBeforeFirstToken.getOpaque(),
        timedOut.getOpaque(),
        missedByFloor.getOpaque(),
        missedByWorstStep.getOpaque(),
        (int) running.getOpaque(),
        (int) waiting.getOpaque(),
        blocks,
        (int) heldBlocks.getOpaque(),
        (int) cachedBlocks.getOpaque(),
        hostBlocks,
        (int) hostCachedBlocks.getOpaque(),
        Math.max(0, now - heartbeat.getOpaque()));
  }
}
