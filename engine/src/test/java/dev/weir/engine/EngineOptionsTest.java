package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.model.LoadProgress;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.TimeLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EngineOptionsTest {
  private static final Path MODEL = Path.of("model");

  private static final Scheduling SCHEDULING = Scheduling.DEFAULT.withMaxPrefills(3);
  private static final TimeLimits LIMITS =
      new TimeLimits(Optional.of(Duration.ofSeconds(1)), Optional.empty(), Optional.empty());

  @Test
  void eachChangeIsKeptBesideTheOthers() {
    LoadProgress progress = (loaded, total) -> {};
    assertThat(
            EngineOptions.of(MODEL)
                .withDevices(List.of(DeviceChoice.REFERENCE, DeviceChoice.CPU))
                .withLockstep(true)
                .withHostKvBytes(8)
                .withLimits(LIMITS)
                .withMaxQueueTime(Duration.ofSeconds(9))
                .withSessionLease(Duration.ofSeconds(10))
                .withJournal(Path.of("journal"))
                .withThreads(3)
                .withContextLength(100)
                .withShards(4)
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
                List.of(DeviceChoice.REFERENCE, DeviceChoice.CPU),
                3,
                OptionalInt.of(100),
                4,
                true,
                5,
                6,
                OptionalLong.of(7),
                8,
                OptionalInt.of(80),
                SCHEDULING,
                false,
                LIMITS,
                Optional.of(Duration.ofSeconds(9)),
                Duration.ofSeconds(10),
                Optional.of(Path.of("journal")),
                progress));
  }

  @ParameterizedTest
  @ValueSource(strings = {"auto", "cpu", "reference", "cuda", "cuda:1", "cuda:15"})
  void aDeviceIsParsedFromTheOptionThatItSpells(String option) {
    assertThat(DeviceChoice.parse(option).option()).isEqualTo(option);
  }

  @Test
  void theFirstGpuMayBeNumberedOrNot() {
    assertThat(DeviceChoice.parse("cuda:0")).isEqualTo(DeviceChoice.CUDA);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:1000", "CUDA 1"})
  void aDeviceThatThereIsNotIsRefusedAndThoseThereAreAreNamed(String option) {
    assertThatThrownBy(() -> DeviceChoice.parse(option))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'" + option + "'")
        .hasMessageContaining("auto, cuda, cuda:N, cpu, reference");
  }

  @Test
  void slotsMayBeAsManyAsAStepHasTokensWhereNobodySaysHowManyThatAre() {
    assertThat(EngineOptions.of(MODEL).withSlots(EngineOptions.MAX_STEP_TOKENS).stepTokens())
        .isEmpty();
    assertThatThrownBy(() -> EngineOptions.of(MODEL).withStepTokens(4).withSlots(5))
        .hasMessageStartingWith("slots");
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
