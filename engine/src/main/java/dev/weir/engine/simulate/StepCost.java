package dev.weir.engine.simulate;

import dev.weir.engine.plan.StepWork;

/**
 * What a simulated step truly takes: {@code fixed + token·T + pair·prefillPairs + context·context},
 * the terms of {@link StepWork}. What the planner believes is another matter: its model learns from
 * what it is shown.
 *
 * @param fixedNanos of every step
 * @param tokenNanos of every token
 * @param pairNanos of every query–key pair of prefill
 * @param contextNanos of every cached token that a decode row reads
 */
public record StepCost(
    double fixedNanos, double tokenNanos, double pairNanos, double contextNanos) {

  /**
   * About a 4B model on one data-centre GPU: weights are read in 3 ms, a thousand tokens of prefill
   * take 20 ms, a decode row's 50K tokens of context a millisecond.
   */
  public static final StepCost GPU = new StepCost(3e6, 2e4, 0.3, 20);

  public StepCost {
    if (!(fixedNanos >= 0 && tokenNanos >= 0 && pairNanos >= 0 && contextNanos >= 0)) {
      throw new IllegalArgumentException("no step takes less time for more work");
    }
  }

  /** Nanoseconds of a step. */
  public double nanos(StepWork work) {
    return fixedNanos
        + tokenNanos * work.tokens()
        + pairNanos * work.prefillPairs()
        + contextNanos * work.context();
  }
}
