package dev.weir.engine.run;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.TimeLimit;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Where one choice's time went and where its prompt's KV came from: written by the step thread (see
 * {@link Counters#add}), read by anyone. Clocks are in nanoseconds; every moment from submission to
 * end is on one of them.
 */
final class Ledger {
  final AtomicLong queued = new AtomicLong();
  final AtomicLong copy = new AtomicLong();
  final AtomicLong prefill = new AtomicLong();
  final AtomicLong decode = new AtomicLong();
  final AtomicLong stalled = new AtomicLong();

  final AtomicLong sharedTokens = new AtomicLong();
  final AtomicLong copiedTokens = new AtomicLong();
  final AtomicLong restoredTokens = new AtomicLong();
  final AtomicLong coldTokens = new AtomicLong();
  final AtomicLong evictedTokens = new AtomicLong();
  final AtomicLong otherShardTokens = new AtomicLong();

  /** Prompt tokens that are in the cache. */
  final AtomicLong prefilledTokens = new AtomicLong();

  final AtomicLong preemptions = new AtomicLong();
  final AtomicLong shard = new AtomicLong(-1);

  private volatile @Nullable TimeLimit expired;

  /** Step thread: a clock ran out. */
  void expire(TimeLimit clock) {
    expired = clock;
  }

  /** What a clock of the request's limits shows. */
  long elapsedNanos(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> queued.getOpaque();
      case FIRST_TOKEN -> copy.getOpaque() + prefill.getOpaque();
      case TOTAL -> copy.getOpaque() + prefill.getOpaque() + decode.getOpaque();
    };
  }

  Account account() {
    return new Account(
        queued.getOpaque(),
        copy.getOpaque(),
        prefill.getOpaque(),
        decode.getOpaque(),
        stalled.getOpaque(),
        (int) sharedTokens.getOpaque(),
        (int) copiedTokens.getOpaque(),
        (int) restoredTokens.getOpaque(),
        (int) coldTokens.getOpaque(),
        (int) evictedTokens.getOpaque(),
        (int) otherShardTokens.getOpaque(),
        (int) preemptions.getOpaque(),
        (int) shard.getOpaque(),
        Optional.ofNullable(expired));
  }
}
