package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** The course of the learning rate. */
final class LearningRateTest {
  private final LearningRate rate = new LearningRate(1e-3, 1e-5, 100, 1000);

  @Test
  void itRisesEvenlyToThePeak() {
    assertThat(rate.at(0)).isEqualTo(1e-5, within(1e-12));
    assertThat(rate.at(49)).isEqualTo(0.5e-3, within(1e-12));
    assertThat(rate.at(99)).isEqualTo(1e-3, within(1e-12));
  }

  @Test
  void itFallsFromThePeakToTheFloorAndIsHalfwayInTheMiddle() {
    assertThat(rate.at(100)).isEqualTo(1e-3, within(1e-12));
    assertThat(rate.at(550)).isEqualTo((1e-3 + 1e-5) / 2, within(1e-12));
    assertThat(rate.at(1000)).isEqualTo(1e-5, within(1e-12));
    for (int step = 100; step < 1000; step++) {
      assertThat(rate.at(step + 1)).isLessThan(rate.at(step));
    }
  }

  @Test
  void aWarmUpLongerThanTheTrainingIsRefused() {
    assertThatThrownBy(() -> new LearningRate(1e-3, 0, 10, 10))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("10 steps");
  }
}
