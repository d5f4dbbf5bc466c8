package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What steps cost, learnt on machines that are noisy, disturbed, changing or monotonous. */
class CostModelTest {
  /** What steps cost in truth, in nanoseconds. */
  private record Machine(double fixed, double token, double pair, double context) {
    static Machine random(Random random) {
      double scale = Math.exp(random.nextDouble() * 8 - 4); // from a GPU to a slow processor
      return new Machine(
          scale * 1e6 * (1 + random.nextInt(20)),
          scale * 1e4 * (1 + random.nextInt(50)),
          scale * random.nextInt(20),
          scale * random.nextInt(100));
    }

    double nanos(StepWork work) {
      return fixed + token * work.tokens() + pair * work.prefillPairs() + context * work.context();
    }

    double chunk(int prefix, int length) {
      return token * length + pair * StepWork.pairs(prefix, length);
    }
  }

  private static StepWork rows(int count, int context) {
    StepWork work = new StepWork();
    for (int row = 0; row < count; row++) {
      work.addDecode(context);
    }
    return work;
  }

  private static StepWork mixed(Random random) {
    StepWork work = rows(random.nextInt(24), random.nextInt(20_000));
    if (work.tokens() == 0 || random.nextInt(3) == 0) {
      work.addPrefill(random.nextInt(50_000), 1 + random.nextInt(500));
    }
    return work;
  }

  private final CostModel cost = new CostModel();

  /** The worst ratio, either way, between what is predicted of ordinary steps and the truth. */
  private double worstRatio(Machine machine, double slower) {
    Random random = new Random(99);
    double worst = 1;
    for (int i = 0; i < 300; i++) {
      StepWork work = mixed(random);
      double ratio = cost.predict(work) / (slower * machine.nanos(work));
      worst = Math.max(worst, Math.max(ratio, 1 / ratio));
    }
    return worst;
  }

  /** Ten percent either way. */
  private static double noise(Random random) {
    return 0.9 + 0.2 * random.nextDouble();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void aNoisyMachineThatIsNowAndThenDisturbedIsPredictedWithinATenth(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 2000; i++) {
      StepWork work = mixed(random);
      double disturbed = random.nextInt(25) == 0 ? 2 + 48 * random.nextDouble() : 1;
      cost.learn(work, machine.nanos(work) * noise(random) * disturbed);
      if (i > 500 && i % 50 == 0) {
        assertThat(worstRatio(machine, 1)).as("after %d steps", i).isLessThan(1.1);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void aDisturbedStepMovesPredictionsByAFewPercentAtMost(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 300; i++) {
      StepWork work = mixed(random);
      cost.learn(work, machine.nanos(work));
    }
    for (double disturbance : new double[] {50, 2, 10, 1e-6}) {
      StepWork work = rows(4, 3000);
      cost.learn(work, machine.nanos(work) * disturbance);
      assertThat(worstRatio(machine, 1))
          .as("a step %s times as long", disturbance)
          .isLessThan(disturbance > 1 ? 1.03 : 1.06);
      for (int i = 0; i < 50; i++) {
        StepWork again = mixed(random);
        cost.learn(again, machine.nanos(again));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void evenTheFirstStepsMayBeDisturbed(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 40; i++) {
      StepWork work = mixed(random);
      cost.learn(work, machine.nanos(work) * (i % 9 == 2 ? 50 : 1));
    }
    assertThat(worstRatio(machine, 1)).isLessThan(2);
  }

  @ParameterizedTest
  @ValueSource(doubles = {3, 10, 1.0 / 3, 0.1})
  void aChangedMachineIsFollowedWithinTwelveSteps(double change) {
    for (long seed = 1; seed <= 10; seed++) {
      Random random = new Random(seed);
      Machine machine = Machine.random(random);
      CostModelTest fresh = new CostModelTest();
      for (int i = 0; i < 1000; i++) {
        StepWork work = mixed(random);
        fresh.cost.learn(work, machine.nanos(work) * noise(random));
      }
      for (int i = 0; i < 12; i++) {
        StepWork work = mixed(random);
        fresh.cost.learn(work, change * machine.nanos(work) * noise(random));
      }
      assertThat(fresh.worstRatio(machine, change)).as("seed %d", seed).isLessThan(1.3);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void aSmallLastingChangeIsFollowedWithinAFewHundredSteps(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 1500; i++) {
      StepWork work = mixed(random);
      cost.learn(work, (i < 1000 ? 1 : 1.3) * machine.nanos(work) * noise(random));
    }
    assertThat(worstRatio(machine, 1.3)).isLessThan(1.1);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void afterNothingButEqualDecodeRowsTheFirstChunksGrowCarefully(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 10_000; i++) {
      StepWork work = rows(4, 1000);
      cost.learn(work, machine.nanos(work) * noise(random));
    }
    double decode = machine.nanos(rows(4, 1000));
    double before = machine.chunk(0, 16);
    for (int done = 0, step = 0; step < 60; step++) {
      int length = cost.longestChunk(done, decode / 4, 100_000);
      length = Math.max(length, 16); // what a floor would run
      double takes = machine.chunk(done, length);
      assertThat(takes)
          .as("step %d, %d tokens behind %d", step, length, done)
          .isLessThan(Math.max(5 * Math.max(before, decode / 4), 1.1 * machine.chunk(done, 16)));
      before = Math.max(before, takes);
      StepWork work = rows(4, 1000);
      work.addPrefill(done, length);
      cost.learn(work, machine.nanos(work) * noise(random));
      done += length;
    }
    int length = cost.longestChunk(5000, decode / 4, 100_000);
    if (machine.chunk(5000, 64) < decode / 4) {
      assertThat(machine.chunk(5000, length))
          .as("then the budget is met")
          .isBetween(decode / 8, decode / 2);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void monotonyForAVeryLongTimeSpoilsNothing(long seed) {
    Random random = new Random(seed);
    Machine machine = Machine.random(random);
    for (int i = 0; i < 300; i++) {
      StepWork work = mixed(random);
      cost.learn(work, machine.nanos(work) * noise(random));
    }
    for (int i = 0; i < 300_000; i++) {
      StepWork work = rows(4, 1000);
      cost.learn(work, machine.nanos(work) * noise(random));
    }
    for (int i = 0; i < 30; i++) {
      StepWork work = mixed(random);
      cost.learn(work, machine.nanos(work) * noise(random));
    }
    assertThat(worstRatio(machine, 1)).isLessThan(1.4);
  }

  @Test
  void moreWorkNeverTakesLess() {
    Random random = new Random(5);
    for (int i = 0; i < 2000; i++) { // times without any sense
      cost.learn(mixed(random), 1e6 * (1 + random.nextInt(100)));
      StepWork work = mixed(random);
      double less = cost.predict(work);
      work.addPrefill(random.nextInt(1000), 1 + random.nextInt(100));
      assertThat(less).isNotNegative();
      assertThat(cost.predict(work)).isGreaterThanOrEqualTo(less);
      assertThat(cost.chunkCost(5000, 100)).isNotNegative();
    }
  }

  @Test
  void aStepWithoutTimeTeachesNothing() {
    cost.learn(rows(1, 1), 0);
    cost.learn(rows(1, 1), -1);
    cost.learn(rows(1, 1), Double.NaN);
    assertThat(cost.learnt()).isZero();
  }

  @Test
  void theLongestChunkIsTheLongestThatFits() {
    Random random = new Random(3);
    for (int i = 0; i < 200; i++) {
      StepWork work = mixed(random);
      cost.learn(work, new Machine(4e6, 2e4, 12, 60).nanos(work));
    }
    for (int i = 0; i < 1000; i++) {
      int prefix = random.nextInt(100_000);
      double nanos = 1e7 * random.nextDouble();
      int length = cost.longestChunk(prefix, nanos, 512);
      assertThat(length).isBetween(0, 512);
      if (length > 0) {
        assertThat(cost.chunkCost(prefix, length)).isLessThanOrEqualTo(nanos * (1 + 1e-9));
      }
      if (length < 512) {
        assertThat(cost.chunkCost(prefix, length + 1)).isGreaterThan(nanos);
      }
    }
    assertThat(cost.chunkCost(0, 100))
        .isCloseTo(100 * 2e4 + 12 * 5000, Percentage.withPercentage(1));
    assertThat(cost.chunkCost(50_000, 1))
        .as("a chunk of one token reads again all that is before it")
        .isCloseTo(60 * 50_000 + 2e4 + 12 * 50_000.5, Percentage.withPercentage(1));
  }
}
