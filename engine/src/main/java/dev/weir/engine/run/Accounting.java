package dev.weir.engine.run;

import dev.weir.kernels.KvShape;

/**
 * Puts the engine's time on the clocks of those that it worked for, and says of each prompt where
 * its KV came from: what a request is charged for is what was done for it.
 */
final class Accounting {
  private Accounting() {}

  /**
   * Where the KV of an admitted sequence's tokens comes from: told once its context has arrived,
   * for it may not. The copies themselves are counted where they are made.
   */
  static void placed(Sequence sequence, Counters counters) {
    int block = KvShape.BLOCK_TOKENS;
    int copied = sequence.move == null ? 0 : sequence.move.count() * block;
    int elsewhere = sequence.foundBlocks * block - sequence.computed;
    int again = sequence.length() - sequence.computed - elsewhere;
    int known = Math.max(sequence.lostTokens, sequence.sessionTokens);
    int evicted = Math.max(0, Math.min(again, known - sequence.foundBlocks * block));
    if (sequence.cachedTokens < 0) {
      sequence.cachedTokens = sequence.computed;
      Counters.add(counters.promptTokens, sequence.length());
      Counters.add(counters.cachedTokens, sequence.computed);
    }
    Ledger ledger = sequence.ledger;
    Counters.add(ledger.sharedTokens, sequence.computed - copied);
    Counters.add(ledger.otherShardTokens, elsewhere);
    Counters.add(ledger.evictedTokens, evicted);
    Counters.add(counters.evictedTokens, evicted);
    // What it has drawn itself since it was submitted was never in anybody's cache before.
    Counters.add(ledger.coldTokens, sequence.lostTokens > 0 ? 0 : again - evicted);
  }

  /** Puts the time since the last step on the clocks of all that run on a device. */
  static void computed(Replica replica, StepFrame frame, long now, Counters counters) {
    long step = counters.steps.getPlain();
    double promptsShare = frame.plan().prefillShare();
    double promptsCost = 0;
    for (int slice = 0; slice < frame.slices(); slice++) {
      promptsCost += promptCost(replica, frame, slice);
    }
    for (int slice = 0; slice < frame.slices(); slice++) {
      Sequence sequence = frame.sequence(slice);
      long passed = now - sequence.accountedNanos;
      sequence.accountedNanos = now;
      sequence.accountedStep = step;
      boolean prefills = frame.prefills(slice);
      double own = promptsCost > 0 ? promptCost(replica, frame, slice) / promptsCost : 0;
      long stalled = (long) (passed * promptsShare * (1 - own));
      Counters.add(sequence.ledger.stalled, stalled);
      Counters.add(prefills ? sequence.ledger.prefill : sequence.ledger.decode, passed - stalled);
      if (prefills) {
        sequence.ledger.prefilledTokens.setOpaque(
            Math.min(frame.computed(slice), sequence.job.prompt().length));
      } else {
        Counters.add(counters.stalledNanos, stalled);
      }
    }
    for (int i = 0; i < replica.running.count(); i++) {
      Sequence sequence = replica.running.get(i);
      if (sequence.accountedStep != step) {
        long passed = now - sequence.accountedNanos;
        sequence.accountedNanos = now;
        Counters.add(
            sequence.move == null ? sequence.ledger.stalled : sequence.ledger.copy, passed);
      }
    }
  }

  /** What a slice's part of a prompt is expected to cost; 0 for a decode row. */
  private static double promptCost(Replica replica, StepFrame frame, int slice) {
    return frame.prefills(slice)
        ? replica.cost.chunkCost(frame.first(slice), frame.length(slice))
        : 0;
  }
}
