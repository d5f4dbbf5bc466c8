package dev.weir.server.cli;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A length of time, written as people write it. */
final class TimeSpan {
  /** A million hours still fit into a long of nanoseconds. */
  private static final Pattern FORM = Pattern.compile("(\\d{1,6}(?:\\.\\d{1,6})?)(ms|s|m|h)?");

  private TimeSpan() {}

  /**
   * Reads {@code 15s}, {@code 250ms}, {@code 2.5m}, {@code 1h}; a bare number is seconds.
   *
   * @throws TypeConversionException if it is none of these
   */
  static Duration parse(String text) {
    Matcher matcher = FORM.matcher(text.strip().toLowerCase(Locale.ROOT));
    if (!matcher.matches()) {
      throw new TypeConversionException(
          "'" + text + "' is no length of time; write for example 15s, 250ms or 10m");
    }
    long nanosPerUnit =
        switch (matcher.group(2)) {
          case "ms" -> Duration.ofMillis(1).toNanos();
          case "m" -> Duration.ofMinutes(1).toNanos();
          case "h" -> Duration.ofHours(1).toNanos();
          case null, default -> Duration.ofSeconds(1).toNanos();
        };
    return Duration.ofNanos(
        new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(nanosPerUnit)).longValue());
  }

  /** Reads an option's value. */
  static final class Converter implements ITypeConverter<Duration> {
    @Override
    public Duration convert(String value) {
      return parse(value);
    }
  }
}
