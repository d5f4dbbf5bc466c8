package dev.weir.engine.run;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.TimeLimits;

/**
 * What bounds a step loop.
 *
 * @param shards how many share the KV blocks; a multiple of the number of devices
 * @param slots the most sequences that run at once on a device; rows of its block table
 * @param queue the most sequences that wait beyond what the slots hold
 * @param maxLength the longest a sequence can become
 * @param reusePrefixes whether computed blocks are found again
 * @param plan what the planners hold themselves to
 * @param lockstep whether all devices begin and end their steps together
 * @param hostBlocks KV blocks of host memory for contexts that are idle
 * @param limits time limits of requests that have none of their own
 * @param maxQueueNanos requests that are predicted to have their first token later are refused;
 *     {@link #NO_LIMIT}: none is
 * @param leaseNanos for how long an idle session's KV is spared before others'
 */
public record LoopOptions(
    int shards,
    int slots,
    int queue,
    int maxLength,
    boolean reusePrefixes,
    PlanLimits plan,
    boolean lockstep,
    int hostBlocks,
    TimeLimits limits,
    long maxQueueNanos,
    long leaseNanos) {

  /** No limit of time. */
  public static final long NO_LIMIT = Long.MAX_VALUE;

  /** A person's or an agent's think time between two turns. */
  public static final long DEFAULT_LEASE_NANOS = 600_000_000_000L;

  public LoopOptions {
    if (shards < 1 || slots < 1 || queue < 0 || maxLength < 2 || slots > plan.stepTokens()) {
      throw new IllegalArgumentException(
          "shards must be positive, slots 1 to the step's tokens ("
              + plan.stepTokens()
              + "), the queue not negative, the longest sequence at least 2");
    }
    if (hostBlocks < 0 || maxQueueNanos < 1 || leaseNanos < 0) {
      throw new IllegalArgumentException(
          "host blocks and leases must not be negative, the longest queue must be positive");
    }
  }

  /** Devices that run free, no host memory, no limits of time. */
  public static LoopOptions of(
      int shards, int slots, int queue, int maxLength, boolean reusePrefixes, PlanLimits plan) {
    return new LoopOptions(
        shards,
        slots,
        queue,
        maxLength,
        reusePrefixes,
        plan,
        false,
        0,
        TimeLimits.NONE,
        NO_LIMIT,
        DEFAULT_LEASE_NANOS);
  }

  /** These options with another {@link #lockstep}. */
  public LoopOptions withLockstep(boolean value) {
    return with(value, hostBlocks, limits, maxQueueNanos, leaseNanos);
  }

  /** These options with another {@link #hostBlocks}. */
  public LoopOptions withHostBlocks(int value) {
    return with(lockstep, value, limits, maxQueueNanos, leaseNanos);
  }

  /** These options with other time limits. */
  public LoopOptions withTimes(TimeLimits defaults, long maxQueue, long lease) {
    return with(lockstep, hostBlocks, defaults, maxQueue, lease);
  }

  private LoopOptions with(
      boolean newLockstep, int newHostBlocks, TimeLimits defaults, long maxQueue, long lease) {
    return new LoopOptions(
        shards,
        slots,
        queue,
        maxLength,
        reusePrefixes,
        plan,
        newLockstep,
        newHostBlocks,
        defaults,
        maxQueue,
        lease);
  }
}
