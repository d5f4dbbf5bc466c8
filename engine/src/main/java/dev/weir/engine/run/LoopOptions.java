package dev.weir.engine.run;

import dev.weir.engine.plan.PlanLimits;

/**
 * What bounds a step loop.
 *
 * @param shards how many share the device's KV blocks
 * @param slots the most sequences that run at once; rows of the block table
 * @param queue the most sequences that wait beyond what the slots hold
 * @param maxLength the longest a sequence can become
 * @param reusePrefixes whether computed blocks are found again
 * @param plan what the planner holds itself to
 */
public record LoopOptions(
    int shards, int slots, int queue, int maxLength, boolean reusePrefixes, PlanLimits plan) {

  public LoopOptions {
    if (shards < 1 || slots < 1 || queue < 0 || maxLength < 2 || slots > plan.stepTokens()) {
      throw new IllegalArgumentException(
          "shards must be positive, slots 1 to the step's tokens ("
              + plan.stepTokens()
              + "), the queue not negative, the longest sequence at least 2");
    }
  }
}
