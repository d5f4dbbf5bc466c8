package dev.weir.engine.plan;

import dev.weir.engine.plan.Policy.FixedChunk;
import dev.weir.engine.plan.Policy.PrefillFirst;
import dev.weir.engine.plan.Policy.TimeBudget;

/**
 * Decides what the next step computes. Every decodable row is in every step. Prefill fills what is
 * left of the step's time: the largest chunks, in {@link PrefillOrder}, that the cost model
 * predicts to fit the latency target. Where no useful chunk fits (deep in a long prompt, re-reading
 * the cache alone can exceed the target, or most of what it leaves) the unused time of steps is
 * saved up, and a chunk runs once it is paid for, so that the mean holds; and after {@code
 * floorSteps} without any it runs unpaid, so that prefill always progresses. What the target had to
 * give way to is counted in {@link #missed}.
 *
 * <p>With no decode row to protect, prefill may use the whole step.
 *
 * <p>The other policies are there to be compared with. Pure apart from savings and turns: the same
 * calls give the same plans.
 */
public final class StepPlanner {
  /**
   * A budget that is never spent: no row to protect, or nothing known yet about what prefill costs.
   */
  private static final double FREE = Double.POSITIVE_INFINITY;

  /** Why a step with prefill took more than the latency target allows. */
  public enum Missed {
    /** A prompt had waited for as many steps as the floor allows. */
    FLOOR,
    /** The floor chunk was paid for, but takes longer than the worst step may. */
    WORST_STEP
  }

  private final PlanLimits limits;
  private final CostModel cost;
  private final PrefillOrder order;
  private final StepWork decodeWork = new StepWork();
  private double savedNanos;
  private int stepsWithoutPrefill;
  private long missedByFloor;
  private long missedByWorstStep;

  /**
   * @param capacity the most entries of a demand; each may be another tenant's
   */
  public StepPlanner(PlanLimits limits, CostModel cost, int capacity) {
    this.limits = limits;
    this.cost = cost;
    order = new PrefillOrder(capacity, limits.scheduling().maxPrefills(), limits.stepTokens());
  }

  /** Prompt tokens planned so far: what an entry that begins to wait now is waiting since. */
  public long prefillServed() {
    return order.served();
  }

  /** In how many steps the latency target had to give way. */
  public long missed(Missed reason) {
    return switch (reason) {
      case FLOOR -> missedByFloor;
      case WORST_STEP -> missedByWorstStep;
    };
  }

  /** Predicted nanoseconds of a step of the demand's decode rows alone; 0 if there is none. */
  public double decodeNanos(StepDemand demand) {
    decodeWork.clear();
    for (int entry = 0; entry < demand.size(); entry++) {
      if (demand.pending(entry) == 1) {
        decodeWork.addDecode(demand.prefix(entry));
      }
    }
    return decodeWork.tokens() == 0 ? 0 : cost.predict(decodeWork);
  }

  /** As {@link #plan(StepDemand, StepPlan, double)}, for a device that runs free. */
  public void plan(StepDemand demand, StepPlan plan) {
    plan(demand, plan, 0);
  }

  /**
   * Fills {@code plan} for the given demand; at most {@code stepTokens} entries may be decodable.
   *
   * <p>In lockstep every device's step takes as long as the slowest one's. So all are filled up to
   * the same time, which the slowest device's decode rows set. Each planner saves up for itself:
   * where several devices are so deep in prompts that no chunk fits, the mean may exceed the target
   * once for each of them.
   *
   * @param companionsDecodeNanos the greatest {@link #decodeNanos} of the devices that run in
   *     lockstep with this one; 0 if there are none, or they decode nothing
   */
  public void plan(StepDemand demand, StepPlan plan, double companionsDecodeNanos) {
    plan.clear(demand.size());
    decodeWork.clear();
    order.begin(demand);
    boolean prefillWaits = order.waiting() > 0;
    if (!(prefillWaits && limits.scheduling().policy() instanceof PrefillFirst)) {
      for (int entry = 0; entry < demand.size(); entry++) {
        if (demand.pending(entry) == 1) {
          plan.decode(entry, demand.prefix(entry));
          decodeWork.addDecode(demand.prefix(entry));
        }
      }
    }
    boolean nothingToProtect = plan.decodeRows() == 0 && companionsDecodeNanos <= 0;
    int tokensLeft = limits.stepTokens() - plan.decodeRows();
    assert tokensLeft >= 0 : "more decode rows than a step has tokens";
    if (prefillWaits && tokensLeft > 0) {
      switch (limits.scheduling().policy()) {
        case PrefillFirst first -> fill(demand, plan, tokensLeft, FREE, FREE);
        case FixedChunk(int tokens) -> fill(demand, plan, Math.min(tokens, tokensLeft), FREE, FREE);
        case TimeBudget budget -> {
          if (nothingToProtect || cost.learnt() == 0) {
            fill(demand, plan, tokensLeft, FREE, FREE);
          } else {
            fillWithinTarget(demand, plan, tokensLeft, companionsDecodeNanos);
          }
        }
      }
    }
    if (!prefillWaits || nothingToProtect) {
      savedNanos = 0;
      stepsWithoutPrefill = 0;
    }
    double decodeNanos = decodeWork.tokens() == 0 ? 0 : cost.predict(decodeWork);
    plan.predicted(cost.predict(plan.work()), decodeNanos);
  }

  private void fillWithinTarget(
      StepDemand demand, StepPlan plan, int tokensLeft, double companionsDecodeNanos) {
    double ownNanos = cost.predict(decodeWork);
    double slowest = Math.max(plan.decodeRows() > 0 ? ownNanos : 0, companionsDecodeNanos);
    // What the slowest device leaves to this one costs nobody anything, and cannot be saved up.
    double idle = slowest - ownNanos;
    double allowance = limits.scheduling().latencyTarget().allowance(slowest);
    double worst = limits.scheduling().worstAllowance(slowest);
    double spent = fill(demand, plan, tokensLeft, idle + Math.min(allowance, worst), idle + worst);
    tokensLeft -= plan.prefillTokens();
    boolean ran = plan.prefillTokens() > 0;
    if (tokensLeft == 0 || order.next(demand) < 0) {
      savedNanos = 0; // nobody is kept waiting
    } else {
      savedNanos += allowance - Math.max(0, spent - idle);
      double free = Math.max(0, idle - spent);
      if (savedFor(demand, plan, tokensLeft, free, idle + worst - spent)) {
        // Savings pay for one chunk, never for a burst: what it leaves helps to pay the next.
        savedNanos = Math.clamp(savedNanos, 0, allowance);
        ran = true;
      }
    }
    stepsWithoutPrefill = ran ? 0 : stepsWithoutPrefill + 1;
  }

  /**
   * Runs a chunk of whose turn it is if it is paid for; and if nothing has run for long enough, the
   * longest that is, but no less than the floor.
   *
   * @param free time that is left and costs nobody anything
   * @param most that a step may ever have for it, beside what it has
   * @return whether it runs
   */
  private boolean savedFor(
      StepDemand demand, StepPlan plan, int tokensLeft, double free, double most) {
    int entry = order.next(demand);
    int prefix = demand.prefix(entry);
    int limit = Math.min(demand.pending(entry), tokensLeft);
    double budget = free + savedNanos;
    boolean alone = plan.prefillTokens() == 0;
    int length = cost.worthwhileChunk(prefix, limits.floorChunk(), most, limit);
    double nanos = cost.chunkCost(prefix, length);
    if (nanos > (alone ? budget : Math.min(budget, most))) {
      if (!alone || stepsWithoutPrefill + 1 < limits.floorSteps()) {
        return false;
      }
      length =
          Math.max(
              Math.min(limits.floorChunk(), limit),
              cost.longestChunk(prefix, Math.min(budget, most), limit));
      nanos = cost.chunkCost(prefix, length);
    }
    missedByWorstStep += nanos <= budget && nanos > most ? 1 : 0;
    missedByFloor += nanos <= budget ? 0 : 1;
    savedNanos -= Math.max(0, nanos - free);
    plan.prefill(entry, prefix, length);
    order.serve(demand, entry, length);
    return true;
  }

  /**
   * Fills a budget of time with chunks.
   *
   * @param mostNanos what a chunk that does not fit may have once it was saved up for
   * @return what they take
   */
  private double fill(
      StepDemand demand, StepPlan plan, int tokens, double budget, double mostNanos) {
    int tokensLeft = tokens;
    double spent = 0;
    while (tokensLeft > 0) {
      int entry = order.next(demand);
      if (entry < 0) {
        break;
      }
      int prefix = demand.prefix(entry);
      int limit = Math.min(demand.pending(entry), tokensLeft);
      int length = budget == FREE ? limit : cost.longestChunk(prefix, budget - spent, limit);
      if (length < cost.worthwhileChunk(prefix, limits.floorChunk(), mostNanos, limit)) {
        break; // others wait their turn: jumping ahead would starve a long prompt
      }
      plan.prefill(entry, prefix, length);
      order.serve(demand, entry, length);
      spent += cost.chunkCost(prefix, length);
      tokensLeft -= length;
    }
    return spent;
  }
}
