package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class TimeSpanTest {
  @ParameterizedTest
  @CsvSource({
    "0, PT0S",
    "15, PT15S",
    "15s, PT15S",
    "250ms, PT0.25S",
    "0.5, PT0.5S",
    "2.5m, PT2M30S",
    "1H, PT1H",
    "999999h, PT999999H",
  })
  void readsNumbersWithUnits(String text, String duration) {
    assertThat(TimeSpan.parse(text)).isEqualTo(Duration.parse(duration));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-1s", "s", "1d", "1e3", "NaN", ".5", "1 s", "1000000h"})
  void refusesWhatIsNoTime(String text) {
    assertThatThrownBy(() -> TimeSpan.parse(text))
        .isInstanceOf(TypeConversionException.class)
        .hasMessageContaining("'" + text + "'");
  }
}
