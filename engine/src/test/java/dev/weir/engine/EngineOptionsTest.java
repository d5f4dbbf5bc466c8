package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.EngineOptions.DeviceChoice;
import dev.weir.engine.model.LoadProgress;
import dev.weir.engine.plan.Scheduling;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class EngineOptionsTest {
  private static final Path MODEL = Path.of("model");

  private static final Scheduling SCHEDULING = Scheduling.DEFAULT.withMaxPrefills(3);

  @Test
  void eachChangeIsKeptBesideTheOthers() {
    LoadProgress progress = (loaded, total) -> {};
    assertThat(
            EngineOptions.of(MODEL)
                .withDevice(DeviceChoice.REFERENCE)
                .withThreads(3)
                .withContextLength(100)
                .withSlots(5)
                .withQueue(6)
                .withKvBytes(7)
                .withStepTokens(80)
                .withScheduling(SCHEDULING)
                .withReusePrefixes(false)
                .withProgress(progress))
        .isEqualTo(
            new EngineOptions(
                MODEL,
                DeviceChoice.REFERENCE,
                3,
                OptionalInt.of(100),
                5,
                6,
                OptionalLong.of(7),
                80,
                SCHEDULING,
                false,
                progress));
  }

  @Test
  void aValueBeyondItsLimitIsRefusedByName() {
    EngineOptions options = EngineOptions.of(MODEL);
    assertThatThrownBy(() -> options.withQueue(Integer.MAX_VALUE)).hasMessageStartingWith("queue");
    assertThatThrownBy(() -> options.withStepTokens(Integer.MAX_VALUE))
        .hasMessageStartingWith("step tokens");
    assertThatThrownBy(() -> options.withThreads(EngineOptions.MAX_THREADS + 1))
        .hasMessageStartingWith("threads");
  }
}
