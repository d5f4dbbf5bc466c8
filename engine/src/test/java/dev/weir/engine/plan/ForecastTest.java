package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is foretold is what the planner then does. */
class ForecastTest {
  private static final int ROWS = 12;
  private static final int STEP_TOKENS = 1024;

  /** A model of a machine with such costs in nanoseconds, without noise. */
  private static CostModel taught(double fixed, double token, double pair, double context) {
    CostModel cost = new CostModel();
    Random random = new Random(1);
    for (int i = 0; i < 100; i++) {
      StepWork work = new StepWork();
      if (i % 2 == 0) {
        work.addPrefill(random.nextInt(60_000), 1 + random.nextInt(500));
      }
      for (int row = random.nextInt(20); row > 0; row--) {
        work.addDecode(random.nextInt(20_000));
      }
      cost.learn(
          work,
          fixed + token * work.tokens() + pair * work.prefillPairs() + context * work.context());
    }
    return cost;
  }

  /** Runs one prompt through a planner; how long its steps are predicted to take. */
  private static double planned(
      PlanLimits limits, CostModel cost, int rows, int prefix, int length) {
    StepPlanner planner = new StepPlanner(limits, cost, ROWS + 1);
    StepDemand demand = new StepDemand(ROWS + 1);
    StepPlan plan = new StepPlan(ROWS + 1);
    double nanos = 0;
    for (int done = 0; done < length; ) {
      demand.clear();
      for (int row = 0; row < rows; row++) {
        demand.add(5000, 1, 0, true, 0);
      }
      demand.add(prefix + done, length - done, 0, true, 0);
      planner.plan(demand, plan);
      nanos += plan.predictedNanos();
      done += plan.length(rows);
    }
    return nanos;
  }

  private static double decodeNanos(CostModel cost, int rows) {
    StepWork work = new StepWork();
    for (int row = 0; row < rows; row++) {
      work.addDecode(5000);
    }
    return cost.predict(work);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void aPromptTakesAboutAsLongAsForetoldBesideDecodeAndAlone(long seed) {
    Random random = new Random(seed);
    CostModel cost =
        taught(
            1e6 * (1 + random.nextInt(10)),
            1e4 * (1 + random.nextInt(20)),
            random.nextInt(20),
            random.nextInt(100));
    LatencyTarget target =
        random.nextBoolean()
            ? new LatencyTarget.Factor(1.1 + random.nextDouble())
            : new LatencyTarget.Nanos(decodeNanos(cost, ROWS) * (1.2 + random.nextDouble()));
    PlanLimits limits = PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withLatencyTarget(target));
    Forecast forecast = new Forecast(limits, cost);
    int prefix = random.nextInt(20_000);
    int length = 2000 + random.nextInt(60_000);
    assertThat(forecast.promptNanos(decodeNanos(cost, ROWS), ROWS, prefix, length))
        .isCloseTo(planned(limits, cost, ROWS, prefix, length), Percentage.withPercentage(15));
    assertThat(forecast.promptNanos(0, 0, prefix, length))
        .isCloseTo(planned(limits, cost, 0, prefix, length), Percentage.withPercentage(5));
  }

  @Test
  void besideDecodeThePromptTakesWhatTheBalanceSays() {
    CostModel cost = taught(5e6, 2e4, 2, 50);
    Forecast forecast = new Forecast(PlanLimits.withStepTokens(STEP_TOKENS), cost);
    double extra = forecast.extraNanos(decodeNanos(cost, ROWS), ROWS, 0, 20_000);
    double r = 1.25;
    assertThat(forecast.promptNanos(decodeNanos(cost, ROWS), ROWS, 0, 20_000))
        .isCloseTo(extra * r / (r - 1), Percentage.withPercentage(1e-6));
  }

  @Test
  void whereTheTargetLeavesNothingItIsTheFloorThatIsForetold() {
    CostModel cost = taught(5e6, 2e4, 2, 50);
    PlanLimits limits =
        PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withLatencyTarget(new LatencyTarget.Nanos(1)))
            .withFloor(16, 8);
    assertThat(new Forecast(limits, cost).promptNanos(decodeNanos(cost, ROWS), ROWS, 0, 1600))
        .isCloseTo(planned(limits, cost, ROWS, 0, 1600), Percentage.withPercentage(3));
  }

  @Test
  void theOtherPoliciesAreForetoldToo() {
    CostModel cost = taught(5e6, 2e4, 2, 50);
    for (Policy policy : new Policy[] {new Policy.PrefillFirst(), new Policy.FixedChunk(200)}) {
      PlanLimits limits = PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withPolicy(policy));
      assertThat(new Forecast(limits, cost).promptNanos(decodeNanos(cost, ROWS), ROWS, 500, 30_000))
          .isCloseTo(planned(limits, cost, ROWS, 500, 30_000), Percentage.withPercentage(3));
    }
  }
}
