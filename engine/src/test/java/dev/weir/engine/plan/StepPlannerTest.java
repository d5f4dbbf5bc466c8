package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The planner's promises, over simulated machines. */
class StepPlannerTest {
  private static final int SEQUENCES = 16;
  private static final int STEP_TOKENS = 512;

  /** A machine whose steps cost what the model of the design says, in nanoseconds. */
  private record Machine(double fixed, double token, double pair, double context) {
    static final Machine ORDINARY = new Machine(4e6, 2e4, 12, 60);

    double nanos(StepWork work) {
      return fixed
          + token * work.tokens()
          + pair * work.prefillPairs()
          + context * work.decodeContext();
    }
  }

  private record Sequence(int prompt, int outputs) {}

  private static final class Running {
    final Sequence sequence;
    int computed;
    int drawn;

    Running(Sequence sequence) {
      this.sequence = sequence;
    }

    int pending() {
      return sequence.prompt() + drawn - computed;
    }
  }

  private final CostModel cost = new CostModel();
  private final StepPlanner planner = new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost);
  private final StepDemand demand = new StepDemand(SEQUENCES);
  private final StepPlan plan = new StepPlan(SEQUENCES);

  private void teach(Machine machine) {
    Random random = new Random(1);
    for (int i = 0; i < 60; i++) {
      StepWork work = new StepWork();
      work.addPrefill(random.nextInt(4000), 1 + random.nextInt(300));
      for (int row = random.nextInt(6); row > 0; row--) {
        work.addDecode(random.nextInt(4000));
      }
      cost.learn(work, machine.nanos(work));
    }
  }

  private void planFor(List<Running> running) {
    demand.clear();
    running.forEach(one -> demand.add(0, one.computed, one.pending()));
    planner.plan(demand, plan);
  }

  @Test
  void aTaughtModelPredictsStepsItHasNotSeen() {
    teach(Machine.ORDINARY);
    StepWork work = new StepWork();
    work.addPrefill(10_000, 200);
    work.addDecode(8000);
    assertThat(cost.predict(work))
        .isCloseTo(
            Machine.ORDINARY.nanos(work), org.assertj.core.data.Percentage.withPercentage(1));
  }

  @Test
  void aSingleDisturbedStepIsNotBelievedAChangedMachineIs() {
    teach(Machine.ORDINARY);
    StepWork work = new StepWork();
    work.addDecode(1000);
    double before = cost.predict(work);
    cost.learn(work, before * 50);
    assertThat(cost.predict(work)).isEqualTo(before);
    for (int i = 0; i < 400; i++) {
      cost.learn(work, before * 5);
    }
    assertThat(cost.predict(work))
        .isCloseTo(before * 5, org.assertj.core.data.Percentage.withPercentage(5));
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void underRandomLoadEveryDecodeRowIsInEveryStepAndEveryPromptIsFinished(long seed) {
    Random random = new Random(seed);
    Machine machine =
        new Machine(
            1e5 * random.nextInt(1, 100),
            1e3 * random.nextInt(1, 100),
            random.nextInt(1, 100),
            random.nextInt(1, 1000));
    List<Running> running = new ArrayList<>();
    int finished = 0;
    long steps = 0;
    int arrivals = 60;
    while (finished < 60) {
      while (running.size() < SEQUENCES && arrivals > 0 && random.nextInt(20) == 0) {
        arrivals--;
        running.add(new Running(new Sequence(1 + random.nextInt(6000), 1 + random.nextInt(100))));
      }
      if (running.isEmpty()) {
        continue;
      }
      planFor(running);
      int total = 0;
      for (int i = 0; i < running.size(); i++) {
        Running one = running.get(i);
        int length = plan.length(i);
        assertThat(length).isBetween(0, one.pending());
        if (one.pending() == 1) {
          assertThat(length).as("a decode row is in every step").isEqualTo(1);
        }
        total += length;
      }
      assertThat(total).isBetween(1, STEP_TOKENS).isEqualTo(plan.work().tokens());
      cost.learn(plan.work(), machine.nanos(plan.work()));
      for (int i = 0; i < running.size(); i++) {
        Running one = running.get(i);
        one.computed += plan.length(i);
        if (plan.length(i) > 0 && one.pending() == 0) {
          one.drawn++;
        }
      }
      finished += (int) running.stream().filter(one -> one.drawn == one.sequence.outputs()).count();
      running.removeIf(one -> one.drawn == one.sequence.outputs());
      assertThat(++steps).as("prefill always progresses").isLessThan(200_000);
    }
  }

  @Test
  void besideDecodeTheMeanStepHoldsTheTargetHoweverLongThePromptIs() {
    teach(Machine.ORDINARY);
    List<Running> running = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      running.add(new Running(new Sequence(1, 1_000_000)));
    }
    running.add(new Running(new Sequence(60_000, 1)));
    double spent = 0;
    double decodeOnly = 0;
    while (running.getLast().pending() > 1) {
      planFor(running);
      StepWork rows = new StepWork();
      for (int i = 0; i < 4; i++) {
        rows.addDecode(running.get(i).computed);
        assertThat(plan.length(i)).isEqualTo(1);
        running.get(i).computed++;
        running.get(i).drawn++;
      }
      decodeOnly += Machine.ORDINARY.nanos(rows);
      spent += Machine.ORDINARY.nanos(plan.work());
      running.getLast().computed += plan.length(4);
      if (running.getLast().computed == 60_000) {
        break;
      }
    }
    assertThat(spent / decodeOnly).isBetween(1.15, 1.26);
  }

  @Test
  void withNothingToProtectALonePromptTakesWholeSteps() {
    teach(Machine.ORDINARY);
    planFor(List.of(new Running(new Sequence(5000, 1))));
    assertThat(plan.length(0)).isEqualTo(STEP_TOKENS);
  }

  @Test
  void beforeAnythingIsKnownPrefillStillRuns() {
    Running decoding = new Running(new Sequence(1, 10));
    planFor(List.of(decoding, new Running(new Sequence(5000, 1))));
    assertThat(plan.length(0)).isEqualTo(1);
    assertThat(plan.length(1)).isPositive();
  }
}
