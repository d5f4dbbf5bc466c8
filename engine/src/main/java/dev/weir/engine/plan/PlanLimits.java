package dev.weir.engine.plan;

/**
 * What a planner holds itself to.
 *
 * @param stepTokens the most tokens of a step; bounds the activations' memory
 * @param latencyTarget how much longer than a decode-only step a step with prefill may take on
 *     average, as a factor above 1
 * @param floorChunk the smallest prefill chunk worth a step
 * @param floorSteps a prefill that fits in no step runs its smallest chunk at least every so many
 *     steps
 */
public record PlanLimits(int stepTokens, double latencyTarget, int floorChunk, int floorSteps) {

  /** A step with prefill takes at most a quarter longer than one without. */
  public static final double DEFAULT_LATENCY_TARGET = 1.25;

  /** Below this the fixed cost of a chunk outweighs its progress. */
  public static final int DEFAULT_FLOOR_CHUNK = 16;

  /** Bounds how long a prefill can stand still. */
  public static final int DEFAULT_FLOOR_STEPS = 32;

  public PlanLimits {
    if (stepTokens < 1 || latencyTarget <= 1 || floorChunk < 1 || floorSteps < 1) {
      throw new IllegalArgumentException(
          "step tokens, floor chunk and floor steps must be positive, the latency target above 1");
    }
  }

  /** The defaults, with a given bound of step tokens. */
  public static PlanLimits withStepTokens(int stepTokens) {
    return new PlanLimits(
        stepTokens, DEFAULT_LATENCY_TARGET, DEFAULT_FLOOR_CHUNK, DEFAULT_FLOOR_STEPS);
  }
}
