package dev.weir.engine.request;

import java.util.Optional;

/**
 * Where a request's time went, and where the KV of its prompt came from. The clocks are those of
 * its first choice, in nanoseconds; they add up to the time between its submission and its end, up
 * to what the loop takes between steps.
 *
 * @param queuedNanos until it was admitted, and after a preemption until it was admitted again
 * @param copyNanos until its KV was brought from where it lay
 * @param prefillNanos steps that computed some of its prompt, as far as they would have taken
 *     without others' prompts
 * @param decodeNanos steps that drew its tokens, as far as they would have taken without others'
 *     prompts
 * @param stalledNanos what others' prompts added to its steps, and steps that left it out
 * @param sharedTokens prompt tokens whose KV was on its device already
 * @param copiedTokens prompt tokens whose KV was copied from another device
 * @param restoredTokens prompt tokens whose KV was copied back from host memory
 * @param coldTokens prompt tokens that were computed because nobody had computed them before
 * @param evictedTokens prompt tokens that were computed again because their KV had been given away
 * @param otherShardTokens prompt tokens that were computed although their KV lay elsewhere, because
 *     that was quicker than a copy, or the copy failed
 * @param preemptions how often it lost its blocks and started over
 * @param shard where it ran last; negative: it never did
 * @param expired which of its clocks ran out, if one did
 */
public record Account(
    long queuedNanos,
    long copyNanos,
    long prefillNanos,
    long decodeNanos,
    long stalledNanos,
    int sharedTokens,
    int copiedTokens,
    int restoredTokens,
    int coldTokens,
    int evictedTokens,
    int otherShardTokens,
    int preemptions,
    int shard,
    Optional<TimeLimit> expired) {

  /** Of a request for which nothing has been done. */
  public static final Account EMPTY =
      new Account(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, Optional.empty());

  /** Prompt tokens that were computed, for whatever reason. */
  public int recomputedTokens() {
    return coldTokens + evictedTokens + otherShardTokens;
  }
}
