package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.StepPlanner.Missed;
import dev.weir.engine.request.Priority;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * The planner's promises over a million steps of random workloads on random machines. A failure
 * names the seed of its world, which fails again alone.
 */
class PlannerSimulationTest {
  private static final int WORLDS = 200;
  private static final int STEPS_PER_WORLD = 5500;
  private static final int LEAST_CAPACITY = 8;
  private static final int LONGEST = 100_000;

  /** Rounding in sums of nanoseconds. */
  private static final double ROUNDING = 1e-6;

  /** How far the true mean may be from the target: what a noisy machine's model is wrong by. */
  private static final double MODEL_SLACK = 0.1;

  /** Steps beside decode after which a mean is a mean. */
  private static final int ENOUGH = 500;

  @Test
  void overAMillionStepsEveryPromiseHolds() {
    long steps = 0;
    long prefilled = 0;
    long decoded = 0;
    long finished = 0;
    long missed = 0;
    for (long seed = 1; seed <= WORLDS; seed++) {
      World world = new World(seed);
      world.run(STEPS_PER_WORLD);
      steps += world.steps;
      prefilled += world.prefilled;
      decoded += world.decoded;
      finished += world.finishedPrompts;
      missed += world.planner.missed(Missed.FLOOR) + world.planner.missed(Missed.WORST_STEP);
    }
    // A simulation in which nothing happens proves nothing.
    assertThat(steps).isGreaterThanOrEqualTo(1_000_000);
    assertThat(prefilled).isGreaterThan(20_000_000);
    assertThat(decoded).isGreaterThan(2_000_000);
    assertThat(finished).isGreaterThan(20_000);
    assertThat(missed).isPositive();
  }

  /** A sequence that runs; its context may be on its way, then it waits. */
  private static final class Running {
    int tenant;
    int priority;
    int prompt;
    int prefix;
    int outputs;
    int computed;
    int drawn;
    boolean started;
    int awaitsContext;

    /** What had been served when it came, and what is the most that may be served before it. */
    long since;

    long latest;

    int pending() {
      return awaitsContext > 0 ? 0 : prompt + drawn - computed;
    }
  }

  private static final class World {
    final long seed;
    final Random random;
    final int capacity;
    final int tenants;
    final boolean prioritised;
    final boolean learning;
    final double arrivalsPerStep;
    final int longest;
    final PlanLimits limits;
    final double[] machine = new double[4];
    final CostModel cost = new CostModel();
    final StepPlanner planner;
    final StepDemand demand;
    final StepPlan plan;
    final StepWork decodeWork = new StepWork();
    final Running[] running;
    int count;

    long steps;
    long prefilled;
    long decoded;
    long finishedPrompts;
    int stepsWithoutPrefill;
    int stepsBeside;
    double extra;
    double allowed;
    double trueNanos;
    double trueAllowedNanos;

    World(long seed) {
      this.seed = seed;
      random = new Random(seed);
      capacity = LEAST_CAPACITY * (1 + random.nextInt(6));
      tenants = random.nextInt(3) == 0 ? capacity : 1 + random.nextInt(5); // or a lane per slot
      prioritised = random.nextInt(3) == 0;
      learning = random.nextBoolean();
      arrivalsPerStep = Math.exp(-6 * random.nextDouble());
      longest = random.nextBoolean() ? LONGEST : 100 + random.nextInt(4000);
      double scale = Math.exp(6 * random.nextDouble() - 3);
      machine[0] = scale * 1e6 * (1 + random.nextInt(20));
      machine[1] = scale * 1e4 * (1 + random.nextInt(50));
      machine[2] = scale * random.nextInt(30); // up to where no chunk fits at a tenth of LONGEST
      machine[3] = scale * random.nextInt(100);
      for (int i = 0; i < 200; i++) {
        StepWork work = new StepWork();
        work.addPrefill(random.nextInt(LONGEST), 1 + random.nextInt(1000));
        for (int row = random.nextInt(capacity); row > 0; row--) {
          work.addDecode(random.nextInt(LONGEST));
        }
        cost.learn(work, nanos(work));
      }
      StepWork typical = new StepWork();
      for (int row = 0; row < capacity / 2; row++) {
        typical.addDecode(2000);
      }
      LatencyTarget target =
          random.nextBoolean()
              ? new LatencyTarget.Factor(1.05 + random.nextDouble())
              : new LatencyTarget.Nanos(nanos(typical) * (0.8 + random.nextDouble()));
      limits =
          new PlanLimits(
              Math.max(capacity, 64 << random.nextInt(8)),
              new Scheduling(
                  new Policy.TimeBudget(),
                  target,
                  1.3 + 2 * random.nextDouble(),
                  random.nextBoolean() ? capacity : 1 + random.nextInt(8)),
              1 + random.nextInt(64),
              1 + random.nextInt(64));
      planner = new StepPlanner(limits, cost, capacity);
      demand = new StepDemand(capacity);
      plan = new StepPlan(capacity);
      running = new Running[capacity];
    }

    double nanos(StepWork work) {
      return machine[0]
          + machine[1] * work.tokens()
          + machine[2] * work.prefillPairs()
          + machine[3] * work.context();
    }

    void check(boolean holds, String promise) {
      if (!holds) {
        throw new AssertionError("seed %d, step %d: %s".formatted(seed, steps, promise));
      }
    }

    void run(int most) {
      while (steps < most) {
        arrive();
        step();
        steps++;
      }
      if (stepsBeside >= ENOUGH) {
        check(
            trueNanos <= trueAllowedNanos * (1 + MODEL_SLACK),
            "beside prefill steps truly took %.3f of what the target allows"
                .formatted(trueNanos / trueAllowedNanos));
      }
    }

    void arrive() {
      while (count < capacity && random.nextDouble() < arrivalsPerStep) {
        Running one = new Running();
        one.tenant = tenants == capacity ? freeLane() : random.nextInt(tenants);
        one.priority = prioritised ? random.nextInt(Priority.LOWEST, Priority.HIGHEST + 1) : 0;
        one.prefix = random.nextBoolean() ? 0 : random.nextInt(longest);
        one.prompt = one.prefix + 1 + (int) Math.pow(longest, random.nextDouble());
        one.outputs = 1 + random.nextInt(300);
        one.computed = one.prefix;
        one.awaitsContext = one.prefix > 0 ? random.nextInt(20) : 0;
        running[count++] = one;
        if (one.awaitsContext == 0) {
          begin(one);
        }
      }
    }

    int freeLane() {
      int lane = 0;
      for (int i = 0; i < count; i++) {
        if (running[i].tenant == lane) {
          lane++;
          i = -1;
        }
      }
      return lane;
    }

    /** A prompt begins to wait: the most tokens that may be served before it is done. */
    void begin(Running one) {
      one.since = planner.prefillServed();
      long own = one.pending();
      long shift =
          prioritised
              ? (long) (Priority.HIGHEST - Priority.LOWEST) * PrefillOrder.PRIORITY_TOKENS
              : 0;
      long ahead = 0;
      for (int i = 0; i < count; i++) {
        Running other = running[i];
        if (other != one && other.tenant == one.tenant && other.pending() > 1) {
          boolean before = other.pending() - (one.since - other.since) <= own + shift;
          ahead += before ? other.pending() : 0;
        }
      }
      // Of its tenant: what waits already and is shorter or has aged, and newcomers until this has.
      long ofTenant = ahead + (1 + capacity) * (own + shift);
      // Of the others: their turns meanwhile.
      long least = PrefillOrder.QUANTUM;
      long most = PrefillOrder.QUANTUM;
      if (prioritised) {
        least += (long) PrefillOrder.QUANTUM_PER_LEVEL * Priority.LOWEST;
        most += (long) PrefillOrder.QUANTUM_PER_LEVEL * Priority.HIGHEST;
      }
      long ofOthers = (tenants - 1) * (ofTenant / least + 2) * most;
      // And where long prompts are staggered, those that have a place.
      long staggered =
          limits.scheduling().maxPrefills() < capacity
              ? (long) (limits.scheduling().maxPrefills() + capacity) * longest
              : 0;
      one.latest = one.since + ofTenant + ofOthers + staggered + 2L * tenants * limits.stepTokens();
    }

    void step() {
      demand.clear();
      decodeWork.clear();
      int waiting = 0;
      for (int i = 0; i < count; i++) {
        Running one = running[i];
        int pending = one.pending();
        demand.add(one.computed, pending, one.tenant, one.priority, one.started, one.since);
        waiting += pending > 1 ? 1 : 0;
        if (pending == 1) {
          decodeWork.addDecode(one.computed);
        }
      }
      long floorBefore = planner.missed(Missed.FLOOR);
      double decodeNanos = planner.decodeNanos(demand);
      planner.plan(demand, plan);
      boolean byFloor = planner.missed(Missed.FLOOR) > floorBefore;
      checkPlan(waiting, decodeNanos);
      if (waiting > 0 && decodeNanos > 0) {
        accountBeside(decodeNanos, byFloor);
      }
      if (learning && plan.work().tokens() > 0) {
        cost.learn(plan.work(), nanos(plan.work()) * (0.9 + 0.2 * random.nextDouble()));
      }
      advance();
    }

    void checkPlan(int waiting, double decodeNanos) {
      int total = 0;
      int chunks = 0;
      int completed = 0;
      int decodable = 0;
      for (int i = 0; i < count; i++) {
        int length = plan.length(i);
        int pending = demand.pending(i);
        check(length >= 0 && length <= pending, "no more tokens than are pending");
        check(pending != 1 || length == 1, "a decodable row was left out");
        total += length;
        decodable += pending == 1 ? 1 : 0;
        chunks += pending > 1 && length > 0 ? 1 : 0;
        completed += pending > 1 && length == pending ? 1 : 0;
      }
      check(total <= limits.stepTokens(), "more tokens than a step may have");
      check(decodable == plan.decodeRows(), "decode rows are counted");
      check(total == decodable + plan.prefillTokens(), "prefill tokens are counted");
      stepsWithoutPrefill = waiting == 0 || chunks > 0 ? 0 : stepsWithoutPrefill + 1;
      check(stepsWithoutPrefill < limits.floorSteps(), "prefill stands still");
      if (decodable == 0 && waiting > 0) {
        check(
            plan.prefillTokens() == limits.stepTokens() || chunks == completed,
            "with nothing to protect a step was not filled");
      }
      if (decodable > 0 && !(chunks == 1 && plan.prefillTokens() <= limits.floorChunk())) {
        check(
            plan.predictedNanos() <= decodeNanos * limits.scheduling().worstStep() * (1 + ROUNDING),
            "a step with more than a smallest chunk exceeds the worst step");
      }
    }

    /** On the mean of predictions, the target holds but for what was counted as missed. */
    void accountBeside(double decodeNanos, boolean byFloor) {
      double allowance = limits.scheduling().latencyTarget().allowance(decodeNanos);
      allowed += allowance;
      if (!byFloor) {
        extra += plan.predictedNanos() - decodeNanos;
        stepsBeside++;
        trueNanos += nanos(plan.work());
        trueAllowedNanos += nanos(decodeWork) + allowance;
      }
      check(
          extra <= allowed + ROUNDING * plan.predictedNanos() * steps,
          "the mean misses the target");
    }

    void advance() {
      int kept = 0;
      for (int i = 0; i < count; i++) {
        Running one = running[i];
        int length = plan.length(i);
        boolean prefill = one.pending() > 1;
        if (one.awaitsContext > 0 && --one.awaitsContext == 0) {
          begin(one);
        }
        if (length > 0) {
          one.computed += length;
          one.started |= prefill;
          prefilled += prefill ? length : 0;
          decoded += prefill ? 0 : 1;
          if (one.pending() == 0) {
            one.drawn++;
            if (prefill) {
              finishedPrompts++;
              check(
                  planner.prefillServed() <= one.latest,
                  "a prompt of %d tokens waited for %d, at most %d were due"
                      .formatted(
                          one.prompt - one.prefix,
                          planner.prefillServed() - one.since,
                          one.latest - one.since));
            }
          }
        }
        if (one.drawn < one.outputs) {
          running[kept++] = one;
        }
      }
      count = kept;
    }
  }

  @Test
  void tenantsThatAlwaysWaitAreNeverFurtherApartThanTwoTurnsAndTwoSteps() {
    for (long seed = 1; seed <= 40; seed++) {
      Random random = new Random(seed);
      int tenants = 2 + random.nextInt(6);
      int each = 1 + random.nextInt(4);
      int stepTokens = 64 << random.nextInt(7);
      StepPlanner planner =
          new StepPlanner(
              PlanLimits.of(stepTokens, Scheduling.DEFAULT.withMaxPrefills(tenants * each)),
              new CostModel(),
              tenants * each);
      StepDemand demand = new StepDemand(tenants * each);
      StepPlan plan = new StepPlan(tenants * each);
      int[] left = new int[tenants * each];
      int[] longest = new int[tenants];
      for (int tenant = 0; tenant < tenants; tenant++) {
        longest[tenant] = 2 + (int) Math.pow(LONGEST, random.nextDouble());
      }
      long[] served = new long[tenants];
      for (int step = 0; step < 3000; step++) {
        demand.clear();
        for (int i = 0; i < left.length; i++) {
          if (left[i] <= 1) {
            left[i] = 2 * stepTokens + random.nextInt(longest[i / each]); // short only at its end
          }
          demand.add(0, left[i], i / each, true, planner.prefillServed());
        }
        planner.plan(demand, plan);
        long most = 0;
        long least = Long.MAX_VALUE;
        for (int i = 0; i < left.length; i++) {
          served[i / each] += plan.length(i);
          left[i] -= plan.length(i);
        }
        for (long one : served) {
          most = Math.max(most, one);
          least = Math.min(least, one);
        }
        assertThat(most - least)
            .as("seed %d, step %d", seed, step)
            .isLessThanOrEqualTo(2L * (PrefillOrder.QUANTUM + stepTokens));
      }
    }
  }
}
