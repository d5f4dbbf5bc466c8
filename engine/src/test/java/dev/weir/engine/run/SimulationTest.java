package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.testing.TinyModel;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.DType;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real step loop in a million steps of virtual time: worlds drawn from seeds, whose promises
 * are checked after every step.
 */
class SimulationTest {
  /** Say {@code -Dweir.simulate.seed=N} to run one world again. */
  private static final String SEED_PROPERTY = "weir.simulate.seed";

  private static final long STEPS = Long.getLong("weir.simulate.steps", 1_000_000);
  private static final int REQUESTS = 60;

  @TempDir static Path folder;

  @Test
  void everyPromiseHoldsAfterEveryStepOfAMillion() {
    TinyModel.write(folder, DType.F32, 1);
    try (Tokenizer tokenizer = Tokenizer.load(folder)) {
      Long one = Long.getLong(SEED_PROPERTY);
      if (one != null) {
        run(one, tokenizer);
        return;
      }
      SplittableRandom seeds = new SplittableRandom(20_26);
      long steps = 0;
      while (steps < STEPS) {
        steps += run(seeds.nextLong(), tokenizer);
      }
      assertThat(steps).isGreaterThanOrEqualTo(STEPS);
    }
  }

  private static long run(long seed, Tokenizer tokenizer) {
    SimulatedWorld world = null;
    try {
      world = new SimulatedWorld(seed, tokenizer, REQUESTS);
      world.run();
      return world.steps();
    } catch (RuntimeException | AssertionError failure) {
      throw new AssertionError(
          "in the world of seed %d (-D%s=%d), step %d: %s"
              .formatted(
                  seed,
                  SEED_PROPERTY,
                  seed,
                  world == null ? 0 : world.steps(),
                  failure.getMessage()),
          failure);
    }
  }
}
