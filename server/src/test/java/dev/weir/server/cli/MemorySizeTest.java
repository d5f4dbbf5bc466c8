package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class MemorySizeTest {
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "1024, 1024",
    "3k, 3072",
    "512m, 536870912",
    "512MB, 536870912",
    "4g, 4294967296",
    "4GiB, 4294967296",
    "2t, 2199023255552",
  })
  void readsNumbersWithUnitsOf1024(String text, long bytes) {
    assertThat(MemorySize.parse(text).bytes()).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "0",
        "0g",
        "g",
        "-1g",
        "4 gigs",
        "1.5g",
        "9999999999t",
        "99999999999999999999"
      })
  void refusesWhatIsNoAmountOrDoesNotFit(String text) {
    assertThatThrownBy(() -> MemorySize.parse(text))
        .isInstanceOf(TypeConversionException.class)
        .hasMessageContaining("'" + text + "'");
  }

  @Test
  void writesTwoSignificantDigitsOrMore() {
    assertThat(MemorySize.format(1023)).isEqualTo("1023 bytes");
    assertThat(MemorySize.format(1536)).isEqualTo("1.5 KiB");
    assertThat(MemorySize.format(1L << 40)).isEqualTo("1.0 TiB");
    assertThat(MemorySize.format(600L << 30)).isEqualTo("600 GiB");
  }
}
