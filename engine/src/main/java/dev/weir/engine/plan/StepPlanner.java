package dev.weir.engine.plan;

/**
 * Decides what the next step computes. Every decodable row is in every step. Prefill fills what is
 * left of the step's time: the largest chunks, in order of admission, that the cost model predicts
 * to fit the latency target. Where no useful chunk fits (deep in a long prompt, re-reading the
 * cache alone can exceed the target) the unused time of steps without prefill is saved up, and the
 * chunk runs once it is paid for, so that the mean holds; and after {@code floorSteps} it runs
 * unpaid, so that prefill always progresses.
 *
 * <p>With no decode row to protect, prefill may use the whole step.
 *
 * <p>Pure apart from the savings: the same calls give the same plans.
 */
public final class StepPlanner {
  /**
   * A budget that is never spent: no row to protect, or nothing known yet about what prefill costs.
   */
  private static final double FREE = Double.POSITIVE_INFINITY;

  private final PlanLimits limits;
  private final CostModel cost;
  private final StepWork decodeWork = new StepWork();
  private double savedNanos;
  private int stepsWithoutPrefill;

  public StepPlanner(PlanLimits limits, CostModel cost) {
    this.limits = limits;
    this.cost = cost;
  }

  /**
   * Fills {@code plan} for the given demand; at most {@code stepTokens} entries may be decodable.
   */
  public void plan(StepDemand demand, StepPlan plan) {
    plan.clear(demand.size());
    decodeWork.clear();
    boolean prefillWaits = false;
    for (int entry = 0; entry < demand.size(); entry++) {
      if (demand.pending(entry) == 1) {
        plan.decode(entry, demand.prefix(entry));
        decodeWork.addDecode(demand.prefix(entry));
      } else {
        prefillWaits = true;
      }
    }
    int tokensLeft = limits.stepTokens() - plan.decodeRows();
    assert tokensLeft >= 0 : "more decode rows than a step has tokens";
    if (prefillWaits && tokensLeft > 0) {
      if (plan.decodeRows() == 0) {
        fill(demand, plan, tokensLeft, FREE);
      } else {
        fillWithinTarget(demand, plan, tokensLeft);
      }
    }
    if (!prefillWaits || plan.decodeRows() == 0) {
      savedNanos = 0;
      stepsWithoutPrefill = 0;
    }
    plan.predicted(cost.predict(plan.work()));
  }

  private void fillWithinTarget(StepDemand demand, StepPlan plan, int tokensLeft) {
    double allowance = cost.predict(decodeWork) * (limits.latencyTarget() - 1);
    double budget = cost.learnt() == 0 ? FREE : allowance + savedNanos;
    double spent = fill(demand, plan, tokensLeft, budget);
    if (plan.prefillTokens() == 0 && ++stepsWithoutPrefill >= limits.floorSteps()) {
      int first = firstPrefill(demand);
      int length = Math.min(demand.pending(first), Math.min(limits.floorChunk(), tokensLeft));
      plan.prefill(first, demand.prefix(first), length);
      spent = budget;
    }
    if (plan.prefillTokens() > 0) {
      stepsWithoutPrefill = 0;
    }
    // Savings pay for one smallest chunk, not for a burst later: they end where that chunk has run.
    savedNanos = plan.prefillTokens() > 0 ? 0 : budget - spent;
  }

  private double fill(StepDemand demand, StepPlan plan, int tokensLeft, double budget) {
    double spent = 0;
    for (int entry = 0; entry < demand.size() && tokensLeft > 0; entry++) {
      int pending = demand.pending(entry);
      if (pending == 1) {
        continue;
      }
      int prefix = demand.prefix(entry);
      int limit = Math.min(pending, tokensLeft);
      int length = budget == FREE ? limit : cost.longestChunk(prefix, budget - spent, limit);
      if (length < Math.min(limits.floorChunk(), limit)) {
        break; // later prompts wait their turn: jumping ahead would starve a long one
      }
      plan.prefill(entry, prefix, length);
      spent += cost.chunkCost(prefix, length);
      tokensLeft -= length;
    }
    return spent;
  }

  private static int firstPrefill(StepDemand demand) {
    int entry = 0;
    while (demand.pending(entry) == 1) {
      entry++;
    }
    return entry;
  }
}
