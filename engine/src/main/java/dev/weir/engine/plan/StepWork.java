package dev.weir.engine.plan;

/**
 * The four numbers that a step's cost depends on. Mutable, so that a planner can count without
 * allocating.
 *
 * <ul>
 *   <li>tokens: T, all new tokens of the step
 *   <li>prefillPairs: Σ over prefill chunks of length·(prefix + length/2): query–key pairs
 *   <li>context: Σ over decode rows and chunks of the cached tokens that they read: however few
 *       tokens a chunk has, its whole prefix passes through them
 * </ul>
 */
public final class StepWork {
  private int tokens;
  private double prefillPairs;
  private double context;

  /** Back to an empty step. */
  public void clear() {
    tokens = 0;
    prefillPairs = 0;
    context = 0;
  }

  /** Adds a decode row with {@code prefix} tokens before it. */
  public void addDecode(int prefix) {
    tokens++;
    context += prefix + 1;
  }

  /** Adds a prefill chunk of {@code length} tokens with {@code prefix} tokens before it. */
  public void addPrefill(int prefix, int length) {
    tokens += length;
    prefillPairs += pairs(prefix, length);
    context += prefix;
  }

  /** Query–key pairs of one chunk. */
  static double pairs(int prefix, double length) {
    return length * (prefix + length / 2);
  }

  public int tokens() {
    return tokens;
  }

  public double prefillPairs() {
    return prefillPairs;
  }

  public double context() {
    return context;
  }
}
