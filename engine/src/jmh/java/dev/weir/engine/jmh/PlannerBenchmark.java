package dev.weir.engine.jmh;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.plan.StepDemand;
import dev.weir.engine.plan.StepPlan;
import dev.weir.engine.plan.StepPlanner;
import dev.weir.engine.plan.StepWork;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Planning one step of 256 sequences, on whatever shards, and learning from it: what is allowed is
 * 20 microseconds and no byte.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
public class PlannerBenchmark {
  /** Prompts that have begun: as many as {@link Scheduling} lets in at a time. */
  private static final int BEGUN = Scheduling.DEFAULT_MAX_PREFILLS;

  private static final int STEP_TOKENS = 8192;

  /**
   * An accelerator's, in nanoseconds: its steps have room for several short chunks beside 256 rows.
   */
  private static final double FIXED = 8e6;

  private static final double TOKEN = 4e3;
  private static final double PAIR = 0.05;
  private static final double CONTEXT = 2;

  @Param("256")
  int rows;

  /** How many of them wait for prefill. */
  @Param({"0", "8", "64", "256"})
  int prompts;

  /** Tokens of a prompt: short ones fit into a step by the dozen. */
  @Param({"40", "50000"})
  int promptTokens;

  @Param({"one tenant", "a lane per slot"})
  String tenants = "";

  private final CostModel cost = new CostModel();
  private StepPlanner planner = planner();
  private StepDemand demand = new StepDemand(1);
  private StepPlan plan = new StepPlan(1);
  private int[] contexts = new int[0];
  private int lanes;

  /** Teaches the model and draws the contexts. */
  @Setup
  public void draw() {
    Random random = new Random(1);
    for (int i = 0; i < 200; i++) {
      StepWork work = new StepWork();
      for (int row = random.nextInt(rows); row > 0; row--) {
        work.addDecode(random.nextInt(50_000));
      }
      work.addPrefill(random.nextInt(50_000), 1 + random.nextInt(4000));
      cost.learn(
          work,
          FIXED + TOKEN * work.tokens() + PAIR * work.prefillPairs() + CONTEXT * work.context());
    }
    contexts = random.ints(rows, 0, 50_000).toArray();
    lanes = tenants.equals("one tenant") ? 1 : rows;
    planner = planner();
    demand = new StepDemand(rows);
    plan = new StepPlan(rows);
  }

  private StepPlanner planner() {
    return new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, Math.max(1, rows));
  }

  /** The demand is described anew for each step, as the step loop does. */
  @Benchmark
  public double step() {
    demand.clear();
    for (int row = 0; row < rows; row++) {
      boolean prompt = row < prompts;
      demand.add(
          contexts[row],
          prompt ? promptTokens : 1,
          lanes == 1 ? 0 : row,
          row % 3 - 1,
          row < BEGUN,
          planner.prefillServed());
    }
    planner.plan(demand, plan);
    cost.learn(plan.work(), plan.predictedNanos());
    return plan.predictedNanos();
  }
}
