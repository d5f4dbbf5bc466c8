package dev.weir.engine.plan;

/**
 * What a planner holds itself to.
 *
 * @param stepTokens the most tokens of a step; bounds the activations' memory
 * @param scheduling how time is shared
 * @param floorChunk the smallest prefill chunk there is, but for a prompt's last; behind a long
 *     prefix only larger ones are worth a step
 * @param floorSteps a prefill that fits in no step runs one at least every so many steps
 */
public record PlanLimits(int stepTokens, Scheduling scheduling, int floorChunk, int floorSteps) {

  /** Below this the fixed cost of a chunk outweighs its progress. */
  public static final int DEFAULT_FLOOR_CHUNK = 16;

  /** Bounds how long a prefill can stand still. */
  public static final int DEFAULT_FLOOR_STEPS = 32;

  public PlanLimits {
    if (stepTokens < 1 || floorChunk < 1 || floorSteps < 1) {
      throw new IllegalArgumentException(
          "step tokens, floor chunk and floor steps must be positive");
    }
  }

  /** The default floor. */
  public static PlanLimits of(int stepTokens, Scheduling scheduling) {
    return new PlanLimits(stepTokens, scheduling, DEFAULT_FLOOR_CHUNK, DEFAULT_FLOOR_STEPS);
  }

  /** The same with the default scheduling. */
  public static PlanLimits withStepTokens(int stepTokens) {
    return of(stepTokens, Scheduling.DEFAULT);
  }

  /** These limits with another {@link #floorChunk} and {@link #floorSteps}. */
  public PlanLimits withFloor(int chunk, int steps) {
    return new PlanLimits(stepTokens, scheduling, chunk, steps);
  }
}
