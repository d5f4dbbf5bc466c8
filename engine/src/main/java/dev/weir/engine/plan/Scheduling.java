package dev.weir.engine.plan;

import dev.weir.engine.plan.Policy.TimeBudget;

/**
 * How the time of steps is shared between prompts and streams.
 *
 * @param policy which tokens of prompts a step takes
 * @param latencyTarget how long steps may take on average while a prompt is prefilled
 * @param worstStep how much longer than its decode rows alone any one step may take, as a factor
 *     above 1; only a floor chunk may exceed it
 * @param maxPrefills the most prompts that are prefilled at the same time
 */
public record Scheduling(
    Policy policy, LatencyTarget latencyTarget, double worstStep, int maxPrefills) {

  /** No step with more than a floor chunk takes more than twice as long as one without. */
  public static final double DEFAULT_WORST_STEP = 2;

  /** So many prompts share the budget; more would only all finish later. */
  public static final int DEFAULT_MAX_PREFILLS = 8;

  /** A budget of time: a quarter more on average, twice at worst. */
  public static final Scheduling DEFAULT =
      new Scheduling(
          new TimeBudget(), LatencyTarget.DEFAULT, DEFAULT_WORST_STEP, DEFAULT_MAX_PREFILLS);

  public Scheduling {
    if (!(worstStep > 1)) {
      throw new IllegalArgumentException("the worst step's factor must be above 1: " + worstStep);
    }
    if (maxPrefills < 1) {
      throw new IllegalArgumentException(
          "at least one prompt must be let in at a time, not " + maxPrefills);
    }
  }

  /** What prefill may ever add to a step, in nanoseconds, given what its decode rows alone take. */
  double worstAllowance(double decodeNanos) {
    return decodeNanos * (worstStep - 1);
  }

  /** This scheduling with another {@link #policy}. */
  public Scheduling withPolicy(Policy value) {
    return new Scheduling(value, latencyTarget, worstStep, maxPrefills);
  }

  /** This scheduling with another {@link #latencyTarget}. */
  public Scheduling withLatencyTarget(LatencyTarget value) {
    return new Scheduling(policy, value, worstStep, maxPrefills);
  }

  /** This scheduling with another {@link #maxPrefills}. */
  public Scheduling withMaxPrefills(int value) {
    return new Scheduling(policy, latencyTarget, worstStep, value);
  }
}
