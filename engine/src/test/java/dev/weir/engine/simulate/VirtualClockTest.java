package dev.weir.engine.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Time that leaps to what is waited for, and that nobody waits for in vain. */
class VirtualClockTest {
  private static final int MANY = 1_000_000;

  @Test
  void whoAsksAgainAndAgainSeesTheFirstMomentThatIsAskedFor() {
    VirtualClock clock = new VirtualClock();
    int looks = 0;
    while (!clock.passed(700) && !clock.passed(300)) {
      assertThat(++looks).isLessThan(MANY);
    }
    assertThat(clock.nanos()).isEqualTo(300);
  }

  @Test
  void whoWaitsForWhatNeverComesIsToldSo() {
    VirtualClock clock = new VirtualClock();
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < MANY; i++) {
                clock.nanos();
              }
            })
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("never comes");
  }

  @Test
  void whoeverGetsOnMayAskForEver() {
    VirtualClock clock = new VirtualClock();
    for (int i = 1; i <= MANY; i++) {
      clock.advanceTo(i);
      assertThat(clock.nanos()).isEqualTo(i);
    }
  }
}
