package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.request.Priority;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.assertj.core.data.Percentage;
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

    /** Computes far faster than it reads. */
    static final Machine GPU = new Machine(6e6, 2e4, 0.3, 40);

    double nanos(StepWork work) {
      return fixed + token * work.tokens() + pair * work.prefillPairs() + context * work.context();
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
  private final StepPlanner planner =
      new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, SEQUENCES);
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

  /** Of the one tenant there is; its prefill has begun. */
  private void demand(int prefix, int pending) {
    demand.add(prefix, pending, 0, true, 0);
  }

  /** One prompt behind a prefix, as entry 4, and rows that decode. */
  private void besideFourRows(int prefix, int pending) {
    demand.clear();
    for (int row = 0; row < 4; row++) {
      demand(5000, 1);
    }
    demand(prefix, pending);
  }

  private void planFor(List<Running> running) {
    demand.clear();
    running.forEach(one -> demand(one.computed, one.pending()));
    planner.plan(demand, plan);
  }

  @Test
  void aTaughtModelPredictsStepsItHasNotSeen() {
    teach(Machine.ORDINARY);
    StepWork work = new StepWork();
    work.addPrefill(10_000, 200);
    work.addDecode(8000);
    assertThat(cost.predict(work))
        .isCloseTo(Machine.ORDINARY.nanos(work), Percentage.withPercentage(1));
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

  @Test
  void deepInAPromptChunksComputeForAsLongAsTheyReadAndTheMeanHolds() {
    teach(Machine.GPU);
    double read = 0;
    double computed = 0;
    double spent = 0;
    double decodeOnly = 0;
    double worst = 0;
    int prefix = 20_000;
    while (prefix < 60_000) {
      besideFourRows(prefix, 100_000);
      planner.plan(demand, plan);
      double alone = planner.decodeNanos(demand);
      worst = Math.max(worst, plan.predictedNanos() / alone);
      spent += plan.predictedNanos();
      decodeOnly += alone;
      if (plan.length(4) > 0) {
        read += cost.rereadCost(prefix);
        computed += cost.chunkCost(prefix, plan.length(4)) - cost.rereadCost(prefix);
      }
      prefix += plan.length(4);
    }
    assertThat(read).as("reading what is before").isLessThan(computed * 1.05);
    assertThat(spent / decodeOnly).as("the mean").isBetween(1.22, 1.26);
    assertThat(worst).isLessThanOrEqualTo(Scheduling.DEFAULT_WORST_STEP);
    assertThat(planner.missed(StepPlanner.Missed.FLOOR)).isZero();
  }

  @Test
  void whoSavesUpForAChunkLosesNothingToShortPromptsThatFit() {
    teach(Machine.GPU);
    int prefix = 30_000;
    int steps = 0;
    double spent = 0;
    double decodeOnly = 0;
    while (prefix < 34_000) {
      besideFourRows(prefix, 100_000);
      if (steps % 2 == 0) {
        demand(0, 20);
      }
      planner.plan(demand, plan);
      if (steps % 2 == 0) {
        assertThat(plan.length(5)).as("the short prompt").isEqualTo(20);
      }
      prefix += plan.length(4);
      spent += plan.predictedNanos();
      decodeOnly += planner.decodeNanos(demand);
      assertThat(++steps).isLessThan(400);
    }
    assertThat(spent / decodeOnly).as("the mean").isBetween(1.22, 1.26);
  }

  @Test
  void besideDecodeNoStepButASmallestChunkExceedsTheWorstStep() {
    teach(Machine.ORDINARY);
    PlanLimits limits =
        PlanLimits.of(
            STEP_TOKENS, // a target so high that only the cap binds
            Scheduling.DEFAULT.withLatencyTarget(new LatencyTarget.Nanos(1e9)));
    StepPlanner capped = new StepPlanner(limits, cost, SEQUENCES);
    for (int prefix = 0; prefix < 100_000; prefix += 1000) {
      demand.clear();
      demand(5000, 1);
      demand(prefix, 50_000);
      capped.plan(demand, plan);
      StepWork rows = new StepWork();
      rows.addDecode(5000);
      double factor = cost.predict(plan.work()) / cost.predict(rows);
      if (factor > Scheduling.DEFAULT_WORST_STEP) {
        assertThat(plan.length(1)).isEqualTo(PlanLimits.DEFAULT_FLOOR_CHUNK);
      }
    }
    assertThat(capped.missed(StepPlanner.Missed.WORST_STEP)).isPositive();
    assertThat(capped.missed(StepPlanner.Missed.FLOOR)).isZero();
  }

  @Test
  void aSmallestChunkThatIsPaidForAndFitsTheWorstStepIsNoMiss() {
    teach(Machine.ORDINARY);
    StepPlanner planner = new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, SEQUENCES);
    int paid = 0;
    int beyond = 0;
    for (int step = 0; step < 2000; step++) {
      besideFourRows(50 * step, 50_000);
      planner.plan(demand, plan);
      double factor = plan.predictedNanos() / planner.decodeNanos(demand);
      paid += factor > 1.25 && factor <= Scheduling.DEFAULT_WORST_STEP ? 1 : 0;
      beyond += factor > Scheduling.DEFAULT_WORST_STEP ? 1 : 0;
    }
    assertThat(paid).as("chunks that were saved up for").isPositive();
    assertThat(planner.missed(StepPlanner.Missed.WORST_STEP)).isEqualTo(beyond);
    assertThat(planner.missed(StepPlanner.Missed.FLOOR)).isZero();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void tenantsThatAlwaysWaitGetTheSameShareOfPrefill(long seed) {
    Random random = new Random(seed);
    int tenants = 2 + random.nextInt(4);
    StepPlanner fair =
        new StepPlanner(
            PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withMaxPrefills(SEQUENCES)),
            cost,
            SEQUENCES);
    long[] served = new long[tenants];
    int[] left = new int[SEQUENCES];
    int[] done = new int[SEQUENCES];
    for (int step = 0; step < 5000; step++) {
      demand.clear();
      for (int i = 0; i < SEQUENCES; i++) {
        if (left[i] <= 1) { // the first tenant sends long prompts, the others short ones
          left[i] = i % tenants == 0 ? 50_000 : 2 + random.nextInt(300);
          done[i] = 0;
        }
        demand.add(done[i], left[i], i % tenants, done[i] > 0, 0);
      }
      fair.plan(demand, plan);
      for (int i = 0; i < SEQUENCES; i++) {
        served[i % tenants] += plan.length(i);
        done[i] += plan.length(i);
        left[i] -= plan.length(i);
      }
    }
    long total = java.util.Arrays.stream(served).sum();
    for (long one : served) {
      assertThat(one).isCloseTo(total / tenants, Percentage.withPercentage(2));
    }
  }

  @Test
  void insideATenantShortPromptsGoFirstAndALongOneWaitsForAboutItsOwnLength() {
    int length = 20_000;
    StepPlanner one = new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, SEQUENCES);
    long since = one.prefillServed();
    int others = 0;
    boolean begun = false;
    for (int step = 0; !begun; step++) {
      demand.clear();
      demand.add(0, length, 0, false, since);
      demand.add(0, 400, 0, false, one.prefillServed());
      demand.add(0, 400, 0, false, one.prefillServed());
      one.plan(demand, plan);
      others += plan.length(1) + plan.length(2);
      begun = plan.length(0) > STEP_TOKENS / 2;
      if (step == 0) {
        assertThat(plan.length(1)).isEqualTo(400);
      }
      assertThat(others).isLessThan(length + 4 * STEP_TOKENS);
    }
    assertThat(others).isGreaterThan(length / 2);
  }

  @Test
  void noMoreLongPromptsAreInProgressThanAllowed() {
    int allowed = 3;
    StepPlanner staggered =
        new StepPlanner(
            PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withMaxPrefills(allowed)),
            cost,
            SEQUENCES);
    int[] left = new int[SEQUENCES];
    java.util.Arrays.fill(left, 3000);
    boolean anyLeft = true;
    while (anyLeft) {
      demand.clear();
      for (int i = 0; i < SEQUENCES; i++) {
        demand.add(3000 - left[i], Math.max(1, left[i]), i % 4, left[i] < 3000, 0);
      }
      staggered.plan(demand, plan);
      int inProgress = 0;
      anyLeft = false;
      for (int i = 0; i < SEQUENCES; i++) {
        left[i] = Math.max(0, left[i] - plan.length(i));
        inProgress += left[i] > PrefillOrder.QUANTUM && left[i] < 3000 ? 1 : 0;
        anyLeft |= left[i] > 1;
      }
      assertThat(inProgress).isLessThanOrEqualTo(allowed);
    }
  }

  @Test
  void aShortPromptNeedNotWaitForTheLongOnesInProgress() {
    StepPlanner staggered =
        new StepPlanner(
            PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withMaxPrefills(2)), cost, SEQUENCES);
    demand.clear();
    demand.add(1000, 50_000, 0, true, 0);
    demand.add(1000, 50_000, 0, true, 0);
    demand.add(0, 50_000, 1, false, 0);
    demand.add(0, 200, 2, false, 0);
    int shortOne = 0;
    for (int step = 0; step < 6; step++) {
      staggered.plan(demand, plan);
      assertThat(plan.length(2)).as("a third long prompt waits").isZero();
      shortOne += plan.length(3);
    }
    assertThat(shortOne).isPositive();
  }

  @ParameterizedTest
  @ValueSource(ints = {-8, -3, 0, 5, 8})
  void aPriorityShiftsAPromptByTokensAndTheOthersCatchUp(int priority) {
    StepPlanner one = new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, SEQUENCES);
    int length = 4000;
    int servedBefore = 0;
    for (boolean begun = false; !begun; ) {
      demand.clear();
      demand.add(0, length, 0, priority, true, 0);
      for (int i = 0; i < 4; i++) { // newcomers of no priority, always as long
        demand.add(0, length, 0, true, one.prefillServed());
      }
      one.plan(demand, plan);
      begun = plan.length(0) > 0;
      servedBefore += begun ? 0 : plan.prefillTokens();
    }
    assertThat(servedBefore)
        .isCloseTo(
            Math.max(0, -priority * PrefillOrder.PRIORITY_TOKENS), Offset.offset(STEP_TOKENS));
  }

  @Test
  void anUrgentTenantGetsLongerTurnsAndALowlyOneIsNeverWithout() {
    int[] priorities = {Priority.LOWEST, Priority.ORDINARY, Priority.HIGHEST};
    StepPlanner fair = new StepPlanner(PlanLimits.withStepTokens(STEP_TOKENS), cost, SEQUENCES);
    long[] served = new long[priorities.length];
    for (int step = 0; step < 20_000; step++) {
      demand.clear();
      for (int i = 0; i < priorities.length; i++) {
        demand.add(0, 50_000, i, priorities[i], true, 0);
      }
      fair.plan(demand, plan);
      for (int i = 0; i < priorities.length; i++) {
        served[i] += plan.length(i);
      }
    }
    for (int i = 0; i < priorities.length; i++) {
      double turn = PrefillOrder.QUANTUM + PrefillOrder.QUANTUM_PER_LEVEL * priorities[i];
      assertThat(served[i] / (double) served[1])
          .isCloseTo(turn / PrefillOrder.QUANTUM, Percentage.withPercentage(3));
    }
  }

  @Test
  void inLockstepAllDevicesAreFilledToTheSlowestOnesTarget() {
    teach(Machine.ORDINARY);
    StepDemand[] demands = new StepDemand[3];
    double slowest = 0;
    for (int device = 0; device < demands.length; device++) {
      demands[device] = new StepDemand(SEQUENCES);
      for (int row = 0; row < 5 * device; row++) { // the first decodes nothing
        demands[device].add(4000 * device, 1, 0, true, 0);
      }
      demands[device].add(1000, 50_000, 0, true, 0);
      slowest = Math.max(slowest, planner.decodeNanos(demands[device]));
    }
    assertThat(planner.decodeNanos(demands[0])).isZero();
    for (StepDemand one : demands) {
      new StepPlanner(PlanLimits.withStepTokens(4096), cost, SEQUENCES).plan(one, plan, slowest);
      assertThat(plan.prefillTokens()).isBetween(1, 4095 - one.size());
      assertThat(plan.predictedNanos() / slowest).isCloseTo(1.25, Offset.offset(0.01));
    }
    new StepPlanner(PlanLimits.withStepTokens(4096), cost, SEQUENCES).plan(demands[0], plan, 0);
    assertThat(plan.prefillTokens()).as("nobody decodes anywhere").isEqualTo(4096);
  }

  @Test
  void theOtherPoliciesAreWhatTheirNamesSay() {
    teach(Machine.ORDINARY);
    demand.clear();
    demand(5000, 1);
    demand(50_000, 50_000);
    under(new Policy.PrefillFirst()).plan(demand, plan);
    assertThat(plan.length(0)).isZero();
    assertThat(plan.length(1)).isEqualTo(STEP_TOKENS);
    under(new Policy.FixedChunk(200)).plan(demand, plan);
    assertThat(plan.length(0)).isEqualTo(1);
    assertThat(plan.length(1)).isEqualTo(200);
  }

  private StepPlanner under(Policy policy) {
    PlanLimits limits = PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT.withPolicy(policy));
    return new StepPlanner(limits, cost, SEQUENCES);
  }
}
