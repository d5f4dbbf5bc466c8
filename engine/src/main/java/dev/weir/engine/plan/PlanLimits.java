package dev.weir.engine.plan;

/**
 * What a planner holds itself to.
 *
 * @param stepTokens the most tokens of a step; bounds the activations' memory
 * @param policy which tokens of prompts a step takes
 * @param latencyTarget how long steps may take on average while a prompt is prefilled
 * @param worstStep how much longer than its decode rows alone any one step may take, as a factor
 *     above 1; only a smallest chunk may exceed it
 * @param floorChunk the smallest prefill chunk worth a step
 * @param floorSteps a prefill that fits in no step runs its smallest chunk at least every so many
 *     steps
 * @param maxPrefills the most prompts that are prefilled at the same time
 * @param tenants how many share the turns of prefill
 */
public record PlanLimits(
    int stepTokens,
    Policy policy,
    LatencyTarget latencyTarget,
    double worstStep,
    int floorChunk,
    int floorSteps,
    int maxPrefills,
    int tenants) {

  /** No step with prefill takes more than twice as long as one without. */
  public static final double DEFAULT_WORST_STEP = 2;

  /** Below this the fixed cost of a chunk outweighs its progress. */
  public static final int DEFAULT_FLOOR_CHUNK = 16;

  /** Bounds how long a prefill can stand still. */
  public static final int DEFAULT_FLOOR_STEPS = 32;

  /** So many prompts share the budget; more would only all finish later. */
  public static final int DEFAULT_MAX_PREFILLS = 8;

  public PlanLimits {
    if (stepTokens < 1 || floorChunk < 1 || floorSteps < 1 || maxPrefills < 1 || tenants < 1) {
      throw new IllegalArgumentException(
          "step tokens, floor chunk, floor steps, prefills and tenants must be positive");
    }
    if (!(worstStep > 1)) {
      throw new IllegalArgumentException("the worst step's factor must be above 1: " + worstStep);
    }
  }

  /** The defaults, with a given bound of step tokens. */
  public static PlanLimits withStepTokens(int stepTokens) {
    return new PlanLimits(
        stepTokens,
        new Policy.TimeBudget(),
        LatencyTarget.DEFAULT,
        DEFAULT_WORST_STEP,
        DEFAULT_FLOOR_CHUNK,
        DEFAULT_FLOOR_STEPS,
        DEFAULT_MAX_PREFILLS,
        1);
  }

  /** These limits with another {@link #policy}. */
  public PlanLimits withPolicy(Policy value) {
    return new PlanLimits(
        stepTokens, value, latencyTarget, worstStep, floorChunk, floorSteps, maxPrefills, tenants);
  }

  /** These limits with another {@link #latencyTarget}. */
  public PlanLimits withLatencyTarget(LatencyTarget value) {
    return new PlanLimits(
        stepTokens, policy, value, worstStep, floorChunk, floorSteps, maxPrefills, tenants);
  }

  /** These limits with another {@link #floorChunk} and {@link #floorSteps}. */
  public PlanLimits withFloor(int chunk, int steps) {
    return new PlanLimits(
        stepTokens, policy, latencyTarget, worstStep, chunk, steps, maxPrefills, tenants);
  }

  /** These limits with another number of {@link #tenants}, and of prompts at the same time. */
  public PlanLimits withTenants(int count, int prefills) {
    return new PlanLimits(
        stepTokens, policy, latencyTarget, worstStep, floorChunk, floorSteps, prefills, count);
  }
}
