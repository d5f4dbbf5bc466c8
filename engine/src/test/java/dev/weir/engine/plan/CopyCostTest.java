package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What copies take, learnt from batches of up to 64 blocks. */
class CopyCostTest {
  private static final int FULL = 64;
  private static final double FIRST_GUESS = 7;

  /** Of most copies here: a batch takes 300 and 10 for each block. */
  private static final double FIXED = 300;

  private static final double PER_BLOCK = 10;

  private static CopyCost untaught() {
    return new CopyCost(FULL, FIRST_GUESS);
  }

  private static CopyCost taught(int... sizes) {
    CopyCost cost = untaught();
    for (int round = 0; round < 20; round++) {
      for (int blocks : sizes) {
        learn(cost, blocks, FIXED + PER_BLOCK * blocks);
      }
    }
    return cost;
  }

  private static void learn(CopyCost cost, int blocks, double nanos) {
    cost.learn(blocks, nanos, nanos);
  }

  private static Percentage percent(double value) {
    return Percentage.withPercentage(value);
  }

  @Test
  void beforeAnythingWasMeasuredABlockTakesWhatItIsSaidTo() {
    assertThat(untaught().nanos(100)).isEqualTo(100 * FIRST_GUESS);
    assertThat(untaught().leastNanos(100)).isEqualTo(100 * FIRST_GUESS);
  }

  @Test
  void whatABatchTakesIsToldFromWhatItsBlocksTake() {
    CopyCost cost = taught(5, 60);
    assertThat(cost.nanos(5)).isCloseTo(350, percent(2));
    assertThat(cost.nanos(60)).isCloseTo(900, percent(2));
    // In five batches of 64.
    assertThat(cost.nanos(320)).isCloseTo(5 * 300 + 3200, percent(2));
    assertThat(cost.leastNanos(320)).isCloseTo(5 * 300 + 3200, percent(5));
  }

  @Test
  void smallBatchesDoNotMakeBlocksSeemExpensive() {
    CopyCost cost = taught(5);
    assertThat(cost.nanos(5)).isCloseTo(350, percent(1));
    // As much may be the start's as 64 blocks': a + b·5/64 = 350 of the smallest a² + b² has
    // b = a·5/64, so a = 350/(1 + 25/4096). A part for each block would be 350·64/5 = 4480.
    assertThat(cost.nanos(64)).isCloseTo(347.9 * (1 + 5.0 / 64), percent(1));
  }

  @Test
  void anUpperBoundSpoilsNothing() {
    CopyCost cost = taught(5, 60);
    double before = cost.nanos(320);
    for (int i = 0; i < 100; i++) {
      cost.learn(5, 0, 1e9); // looked at late
    }
    assertThat(cost.nanos(320)).isEqualTo(before);
  }

  @Test
  void whatABoundContradictsIsCorrectedAsFarAsItAsks() {
    CopyCost cost = taught(5, 60);
    for (int i = 0; i < 100; i++) {
      cost.learn(5, 0, 200);
      cost.learn(60, 1000, 1e9);
    }
    assertThat(cost.nanos(5)).isCloseTo(200, percent(2));
    assertThat(cost.nanos(60)).isCloseTo(1000, percent(2));
  }

  @Test
  void aBatchThatWasDisturbedCountsForLittle() {
    CopyCost cost = taught(5, 60);
    learn(cost, 5, 100 * 350);
    assertThat(cost.nanos(5)).isCloseTo(350, percent(2));
    assertThat(cost.nanos(320)).isCloseTo(4700, percent(2));
  }

  @Test
  void alsoWhenItIsTheFirst() {
    CopyCost cost = untaught();
    learn(cost, 5, 1e6);
    for (int i = 0; i < 20; i++) {
      learn(cost, 5, 350);
      learn(cost, 60, 900);
    }
    assertThat(cost.nanos(5)).isCloseTo(350, percent(2));
    assertThat(cost.nanos(60)).isCloseTo(900, percent(2));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.1, 10})
  void aLinkThatChangesIsFollowed(double factor) {
    CopyCost cost = taught(5, 60);
    for (int i = 0; i < 50; i++) {
      learn(cost, 5, factor * 350);
      learn(cost, 60, factor * 900);
    }
    assertThat(cost.nanos(5)).isCloseTo(factor * 350, percent(5));
    assertThat(cost.nanos(60)).isCloseTo(factor * 900, percent(5));
  }

  @Test
  void aSizeThatWasNeverMeasuredMayTakeNoTimeAtAll() {
    assertThat(taught(64).leastNanos(1)).isZero();
    assertThat(taught(5).leastNanos(64)).isZero();
    assertThat(taught(5).leastNanos(5)).isCloseTo(350, percent(5));
  }

  @Test
  void whatSpeaksAgainstCopiesIsTriedAgainOnceNobodyHasTriedForLong() {
    CopyCost cost = taught(5);
    double refusals = 0;
    while (cost.leastNanos(5) > 10) {
      assertThat(cost.nanos(5)).as("is still the best guess").isCloseTo(350, percent(1));
      cost.refused();
      // Of 1/(1 − 0.9) = 10 measurements 0.01 are left, and 0.1/√0.01 = 1: ln(1000)/ln(1/0.9) = 66.
      assertThat(++refusals).isLessThan(70);
    }
    assertThat(refusals).isGreaterThan(60);
    learn(cost, 5, 700);
    assertThat(cost.nanos(5)).isCloseTo(700, percent(10));
    for (int i = 0; i < 1_000_000; i++) {
      cost.refused();
    }
    assertThat(cost.nanos(5)).isCloseTo(700, percent(10));
    assertThat(cost.leastNanos(5)).isZero();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void moreBlocksNeverTakeLess(long seed) {
    Random random = new Random(seed);
    CopyCost cost = untaught();
    for (int i = 0; i < 200; i++) {
      double nanos = Math.exp(random.nextDouble(0, 20));
      cost.learn(1 + random.nextInt(FULL), nanos * random.nextDouble(), nanos);
      for (int blocks = 1; blocks < 3 * FULL; blocks++) {
        assertThat(cost.nanos(blocks)).isGreaterThanOrEqualTo(cost.nanos(blocks - 1));
        assertThat(cost.leastNanos(blocks)).isBetween(0.0, cost.nanos(blocks));
      }
    }
  }

  @Test
  void aClockThatStandsStillTeachesNothing() {
    CopyCost cost = untaught();
    cost.learn(5, 0, 0);
    cost.learn(5, -2, -1);
    assertThat(cost.nanos(1)).isEqualTo(FIRST_GUESS);
  }
}
