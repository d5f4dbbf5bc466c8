package dev.weir.engine.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.weir.engine.plan.StepWork;
import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.simulate.StepCost;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The cost of steps is found again in steps that were measured on a busy machine. */
class CostFitTest {
  private static final int STEPS = 4000;
  private static final StepCost TRUE = StepCost.GPU;

  /** Noise doubles a step at most; disturbed ones are left out. */
  private static final double MEAN_NOISE = 1.5;

  @Test
  void theMeanOfNoisySteps() {
    Random random = new Random(3);
    List<JournalRecord.Step> steps = new ArrayList<>();
    for (int i = 0; i < STEPS; i++) {
      StepWork work = new StepWork();
      for (int row = random.nextInt(32); row >= 0; row--) {
        work.addDecode(random.nextInt(20_000));
      }
      if (random.nextInt(3) == 0) {
        work.addPrefill(random.nextInt(20_000), 1 + random.nextInt(500));
      }
      double disturbed = random.nextInt(50) == 0 ? 20 : 1;
      long nanos = (long) (TRUE.nanos(work) * (1 + random.nextDouble()) * disturbed);
      steps.add(
          new JournalRecord.Step(
              0, i, nanos, 0, work.tokens(), work.prefillPairs(), work.context(), List.of()));
    }
    StepCost found = CostFit.of(steps).cost();
    for (int rows : new int[] {1, 8, 32}) {
      StepWork decode = new StepWork();
      StepWork mixed = new StepWork();
      for (int row = 0; row < rows; row++) {
        decode.addDecode(10_000);
        mixed.addDecode(10_000);
      }
      mixed.addPrefill(8_000, 250);
      assertThat(found.nanos(decode) / TRUE.nanos(decode)).isCloseTo(MEAN_NOISE, within(0.1));
      assertThat(found.nanos(mixed) / TRUE.nanos(mixed)).isCloseTo(MEAN_NOISE, within(0.1));
    }
  }

  @Test
  void stepsThatAreAllAlikeCostWhatTheyTook() {
    JournalRecord.Step step = new JournalRecord.Step(0, 0, 5_000_000, 0, 4, 0, 400, List.of());
    StepCost found = CostFit.of(List.of(step, step, step)).cost();
    StepWork same = new StepWork();
    for (int row = 0; row < 4; row++) {
      same.addDecode(99);
    }
    assertThat(found.nanos(same)).isCloseTo(5_000_000, within(50_000.0));
  }

  @Test
  void nothingIsLearntFromNoSteps() {
    assertThatThrownBy(() -> CostFit.of(List.of())).hasMessageContaining("no steps");
  }
}
