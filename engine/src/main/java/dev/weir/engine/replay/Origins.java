package dev.weir.engine.replay;

import dev.weir.engine.request.Account;
import dev.weir.engine.run.JournalRecord;
import java.util.Collection;

/**
 * Where the KV of admitted contexts came from, in tokens.
 *
 * @param shared it lay there
 * @param copied from another device
 * @param restored from host memory
 * @param recomputed from nowhere: computed, for the first time or again
 */
public record Origins(long shared, long copied, long restored, long recomputed) {
  static final Origins NONE = new Origins(0, 0, 0, 0);

  /** All of it. */
  static Origins of(Collection<JournalRecord.Placement> placements) {
    return placements.stream().map(Origins::of).reduce(NONE, Origins::plus);
  }

  static Origins of(JournalRecord.Placement placement) {
    return new Origins(
        placement.shared(), placement.copied(), placement.restored(), placement.recomputed());
  }

  /** Of a choice that was admitted once. */
  static Origins of(Account account) {
    return new Origins(
        account.sharedTokens(),
        account.copiedTokens(),
        account.restoredTokens(),
        account.recomputedTokens());
  }

  Origins plus(Origins other) {
    return new Origins(
        shared + other.shared,
        copied + other.copied,
        restored + other.restored,
        recomputed + other.recomputed);
  }
}
