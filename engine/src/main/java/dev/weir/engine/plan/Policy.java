package dev.weir.engine.plan;

/** Which tokens of prompts a step takes beside its decode rows. */
public sealed interface Policy {

  /** As many as the cost model predicts to fit the latency target: Weir's own. */
  record TimeBudget() implements Policy {}

  /** Prompts first: while one waits, nothing is decoded. For comparison. */
  record PrefillFirst() implements Policy {}

  /**
   * The same number in every step, whatever it costs: what chunked prefill usually means. For
   * comparison.
   *
   * @param tokens at least 1
   */
  record FixedChunk(int tokens) implements Policy {
    public FixedChunk {
      if (tokens < 1) {
        throw new IllegalArgumentException("a fixed chunk must have a token at least: " + tokens);
      }
    }
  }
}
