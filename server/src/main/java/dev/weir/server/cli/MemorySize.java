package dev.weir.server.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.TypeConversionException;

/**
 * An amount of memory, written as people write it.
 *
 * @param bytes how much
 */
record MemorySize(long bytes) {
  private static final Pattern FORM = Pattern.compile("(\\d{1,15})([kmgt]?)(?:i?b)?");
  private static final String UNITS = "kmgt";
  private static final int BITS_PER_UNIT = 10;

  /**
   * Reads {@code 4g}, {@code 512m}, {@code 1048576}: powers of 1024, {@code b} or {@code ib} may
   * follow.
   *
   * @throws TypeConversionException if it is none of these
   */
  static MemorySize parse(String text) {
    Matcher matcher = FORM.matcher(text.strip().toLowerCase(Locale.ROOT));
    if (matcher.matches()) {
      long number = Long.parseLong(matcher.group(1));
      int shift = (UNITS.indexOf(matcher.group(2)) + 1) * BITS_PER_UNIT;
      if (matcher.group(2).isEmpty()) {
        shift = 0;
      }
      long bytes = number << shift;
      if (number > 0 && bytes >> shift == number) {
        return new MemorySize(bytes);
      }
    }
    throw new TypeConversionException(
        "'" + text + "' is no amount of memory; write for example 512m or 4g");
  }

  /** The amount with a unit: {@code 1.5 GiB}. */
  static String format(long bytes) {
    if (bytes < 1 << BITS_PER_UNIT) {
      return bytes + " bytes";
    }
    int unit = Math.min((63 - Long.numberOfLeadingZeros(bytes)) / BITS_PER_UNIT, UNITS.length());
    double amount = bytes / (double) (1L << (unit * BITS_PER_UNIT));
    char prefix = Character.toUpperCase(UNITS.charAt(unit - 1));
    return (amount < 10 ? "%.1f %ciB" : "%.0f %ciB").formatted(amount, prefix);
  }
}
