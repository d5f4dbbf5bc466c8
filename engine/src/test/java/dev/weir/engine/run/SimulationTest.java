package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.run.SimulatedWorld.Kind;
import dev.weir.engine.testing.TinyModel;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.DType;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real step loop in a million steps of virtual time: worlds drawn from seeds, whose promises
 * are checked after every step.
 */
@Timeout(value = 300, threadMode = ThreadMode.SEPARATE_THREAD) // a loop that hangs heeds nothing
class SimulationTest {
  /** Say {@code -Dweir.simulate.seed=N} to run one world again. */
  private static final String SEED_PROPERTY = "weir.simulate.seed";

  private static final long STEPS = Long.getLong("weir.simulate.steps", 1_000_000);
  private static final int REQUESTS = 60;
  private static final int WORLDS_OF_A_KIND = 100;

  /** Waits that show that somebody waited. */
  private static final double ANY_WAIT = 0.05;

  private static final double NEARLY_ALL = 0.9;

  @TempDir static Path folder;

  @Test
  void everyPromiseHoldsAfterEveryStepOfAMillion() {
    TinyModel.write(folder, DType.F32, 1);
    try (Tokenizer tokenizer = Tokenizer.load(folder)) {
      Long one = Long.getLong(SEED_PROPERTY);
      if (one != null) {
        run(one, tokenizer, Kind.ANYTHING);
        return;
      }
      SplittableRandom seeds = new SplittableRandom(20_26);
      long steps = 0;
      while (steps < STEPS) {
        steps += run(seeds.nextLong(), tokenizer, Kind.ANYTHING).steps();
      }
      assertThat(steps).isGreaterThanOrEqualTo(STEPS);
    }
  }

  @Test
  void underALoadThatCanBeBorneEveryWaitIsBounded() {
    TinyModel.write(folder, DType.F32, 1);
    try (Tokenizer tokenizer = Tokenizer.load(folder)) {
      SplittableRandom seeds = new SplittableRandom(20_27);
      double waited = 0;
      for (int i = 0; i < WORLDS_OF_A_KIND; i++) {
        waited = Math.max(waited, run(seeds.nextLong(), tokenizer, Kind.BEARABLE).waited());
      }
      assertThat(waited).as("the longest wait, of what it may be").isBetween(ANY_WAIT, 1.0);
    }
  }

  @Test
  void poolsFullOfLeasesKeepNobodyWaitingForEver() {
    TinyModel.write(folder, DType.F32, 1);
    try (Tokenizer tokenizer = Tokenizer.load(folder)) {
      SplittableRandom seeds = new SplittableRandom(20_28);
      double leased = 0;
      for (int i = 0; i < WORLDS_OF_A_KIND; i++) {
        leased = Math.max(leased, run(seeds.nextLong(), tokenizer, Kind.LEASED).leased());
      }
      assertThat(leased).as("of a pool, idle under leases").isGreaterThan(NEARLY_ALL);
    }
  }

  private static SimulatedWorld run(long seed, Tokenizer tokenizer, Kind kind) {
    SimulatedWorld world = null;
    try {
      world = new SimulatedWorld(seed, tokenizer, REQUESTS, kind);
      world.run();
      return world;
    } catch (RuntimeException | AssertionError failure) {
      throw new AssertionError(
          "in the world of seed %d, %s (-D%s=%d), step %d: %s"
              .formatted(
                  seed,
                  kind,
                  SEED_PROPERTY,
                  seed,
                  world == null ? 0 : world.steps(),
                  failure.getMessage()),
          failure);
    }
  }
}
