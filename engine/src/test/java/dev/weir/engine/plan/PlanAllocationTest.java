package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** Deciding makes no garbage: the step thread never waits for a collection of its own. */
class PlanAllocationTest {
  private static final int ROWS = 256;
  private static final int SHARDS = 8;
  private static final int ROUND = 500;

  /** The JVM allocates now and then on a thread whose code it replaces; never in every round. */
  private static final int ROUNDS = 40;

  private final CostModel cost = new CostModel();
  private final StepPlanner planner = new StepPlanner(PlanLimits.withStepTokens(1024), cost, ROWS);
  private final StepDemand demand = new StepDemand(ROWS);
  private final StepPlan plan = new StepPlan(ROWS);
  private final Placement placement = new Placement(SHARDS, 2);
  private final FairQueue<String> queue = new FairQueue<>(ROWS);
  private final Forecast forecast = new Forecast(PlanLimits.withStepTokens(1024), cost);
  private double sum;

  private void decide(int step) {
    demand.clear();
    for (int row = 0; row < ROWS; row++) {
      int pending = row % 3 > 0 ? 1 : row % 2 == 0 ? 30 : 20_000;
      demand.add(100 * row, pending, row, row % 5 - 2, row < 12, 0);
    }
    planner.plan(demand, plan, step % 2 * planner.decodeNanos(demand));
    cost.learn(plan.work(), 1e6 + 1e4 * plan.work().tokens());
    placement.device(0, step % 7 * 1e7, 0, 10);
    placement.device(1, 0, 2e7, 20);
    for (int shard = 0; shard < SHARDS; shard++) {
      int held = (step + shard) % 90;
      placement.shard(shard, shard % 2, 100, held, 100 - held, 100 - held, true);
    }
    sum += placement.choose(step % SHARDS) + placement.choosePinned(0);
    for (int i = 0; i < queue.size(); i++) {
      sum += queue.get(i).length();
    }
    queue.addFirst(queue.take(step % queue.size()));
    sum += queue.costAhead("nobody", 3) + queue.cost();
    sum += forecast.promptNanos(1e6, 8, 500, 2000) + plan.predictedNanos();
  }

  @Test
  void planningPlacingForetellingAndReadingTheQueueAllocateNothing() {
    assumeThat(ManagementFactory.getThreadMXBean())
        .as("skipped: this JVM does not count allocations")
        .isInstanceOf(ThreadMXBean.class);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (int i = 0; i < 50; i++) {
      queue.add("request", "tenant" + i % 7, 100, i % 3);
    }
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int step = 0; step < ROUND; step++) {
        decide(step);
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertThat(sum).isPositive();
    assertThat(least).as("bytes in the best of %d rounds", ROUNDS).isZero();
  }
}
