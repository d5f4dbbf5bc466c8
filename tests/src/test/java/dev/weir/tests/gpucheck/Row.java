package dev.weir.tests.gpucheck;

import java.util.Locale;

/**
 * One measured line.
 *
 * @param section the section's name
 * @param name what was measured, with its shape
 * @param micros device time of one call, NaN where it is not the point
 * @param value the figure that counts
 * @param unit of the value
 * @param ofCeiling the value over the ceiling measured in this run, NaN where none was
 * @param ofTorch PyTorch's time over Weir's: above 1 Weir is faster; NaN where there is no torch
 * @param verdict against the target, where there is one
 */
record Row(
    String section,
    String name,
    double micros,
    double value,
    String unit,
    double ofCeiling,
    double ofTorch,
    Verdict verdict) {

  /** Whether a target was met. */
  enum Verdict {
    MET,
    MISSED,
    /** There is no target, or nothing to hold it against. */
    NONE;

    static Verdict of(boolean met) {
      return met ? MET : MISSED;
    }

    String text() {
      return this == NONE ? "-" : name().toLowerCase(Locale.ROOT);
    }
  }

  static Row plain(String section, String name, double value, String unit) {
    return new Row(section, name, Double.NaN, value, unit, Double.NaN, Double.NaN, Verdict.NONE);
  }

  /** The row with the verdict on {@code share >= least}; none where the share was not measured. */
  Row held(double share, double least) {
    Verdict held = Double.isNaN(share) ? Verdict.NONE : Verdict.of(share >= least);
    return new Row(section, name, micros, value, unit, ofCeiling, ofTorch, held);
  }

  /** Tab-separated; {@code -} stands for what does not apply. */
  String line() {
    return String.join(
        "\t",
        "row",
        section,
        name,
        number(micros),
        number(value),
        unit,
        number(ofCeiling),
        number(ofTorch),
        verdict.text());
  }

  /** The row that {@link #line} wrote. */
  static Row parse(String... parts) {
    return new Row(
        parts[1],
        parts[2],
        value(parts[3]),
        value(parts[4]),
        parts[5],
        value(parts[6]),
        value(parts[7]),
        parts[8].equals("-") ? Verdict.NONE : Verdict.valueOf(parts[8].toUpperCase(Locale.ROOT)));
  }

  private static double value(String text) {
    return text.equals("-") ? Double.NaN : Double.parseDouble(text);
  }

  static String number(double value) {
    if (Double.isNaN(value)) {
      return "-";
    }
    if (value == 0) {
      return "0";
    }
    // Four significant digits, without an exponent.
    int decimals = Math.max(0, 3 - (int) Math.floor(Math.log10(Math.abs(value))));
    return String.format(Locale.ROOT, "%." + Math.min(decimals, 9) + "f", value);
  }

  static String percent(double share) {
    return Double.isNaN(share) ? "" : Math.round(100 * share) + " %";
  }
}
