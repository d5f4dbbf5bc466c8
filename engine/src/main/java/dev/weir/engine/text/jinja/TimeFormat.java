package dev.weir.engine.text.jinja;

import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;

/** {@code strftime} in the C locale, with glibc's flags {@code - _ 0 ^} for padding and case. */
final class TimeFormat {

  private TimeFormat() {}

  static String format(String pattern, ZonedDateTime time, Budget budget) {
    StringBuilder out = new StringBuilder();
    for (int at = 0; at < pattern.length(); at++) {
      budget.charge(1);
      budget.chargeAppend(out.length(), 1);
      char c = pattern.charAt(at);
      if (c != '%' || at + 1 == pattern.length()) {
        out.append(c);
        continue;
      }
      char flag = 0;
      if ("-_0^".indexOf(pattern.charAt(at + 1)) >= 0 && at + 2 < pattern.length()) {
        flag = pattern.charAt(++at);
      }
      String text = directive(pattern.charAt(++at), flag, time, budget);
      out.append(flag == '^' ? text.toUpperCase(Locale.ROOT) : text);
    }
    return out.toString();
  }

  private static String directive(char letter, char flag, ZonedDateTime time, Budget budget) {
    return switch (letter) {
      case 'Y' -> Integer.toString(time.getYear());
      case 'm' -> pad(time.getMonthValue(), 2, flag, '0');
      case 'd' -> pad(time.getDayOfMonth(), 2, flag, '0');
      case 'e' -> pad(time.getDayOfMonth(), 2, flag, ' ');
      case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'b', 'h' ->
          time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH).substring(0, 3);
      case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'a' ->
          time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH).substring(0, 3);
      case 'H' -> pad(time.getHour(), 2, flag, '0');
      case 'k' -> pad(time.getHour(), 2, flag, ' ');
      case 'I' -> pad(time.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2, flag, '0');
      case 'l' -> pad(time.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2, flag, ' ');
      case 'M' -> pad(time.getMinute(), 2, flag, '0');
      case 'S' -> pad(time.getSecond(), 2, flag, '0');
      case 'f' -> pad(time.getNano() / 1000, 6, flag, '0');
      case 'p' -> time.getHour() < 12 ? "AM" : "PM";
      case 'P' -> time.getHour() < 12 ? "am" : "pm";
      case 'y' -> pad(Math.floorMod(time.getYear(), 100), 2, flag, '0');
      case 'C' -> pad(Math.floorDiv(time.getYear(), 100), 2, flag, '0');
      case 'j' -> pad(time.getDayOfYear(), 3, flag, '0');
      case 'u' -> Integer.toString(time.getDayOfWeek().getValue());
      case 'w' -> Integer.toString(time.getDayOfWeek().getValue() % 7);
      case 'U' ->
          pad((time.getDayOfYear() + 6 - time.getDayOfWeek().getValue() % 7) / 7, 2, flag, '0');
      case 'W' -> pad((time.getDayOfYear() + 7 - time.getDayOfWeek().getValue()) / 7, 2, flag, '0');
      case 'V' -> pad(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2, flag, '0');
      case 'G' -> Integer.toString(time.get(IsoFields.WEEK_BASED_YEAR));
      case 's' -> Long.toString(time.toEpochSecond());
      // Python's datetime.now() knows no zone, and prints nothing for it.
      case 'Z', 'z' -> "";
      case 'n' -> "\n";
      case 't' -> "\t";
      case '%' -> "%";
      case 'D', 'x' -> format("%m/%d/%y", time, budget);
      case 'F' -> format("%Y-%m-%d", time, budget);
      case 'T', 'X' -> format("%H:%M:%S", time, budget);
      case 'R' -> format("%H:%M", time, budget);
      case 'r' -> format("%I:%M:%S %p", time, budget);
      case 'c' -> format("%a %b %e %H:%M:%S %Y", time, budget);
      default -> "%" + (flag == 0 ? "" : flag) + letter;
    };
  }

  private static String pad(int value, int width, char flag, char usual) {
    String digits = Integer.toString(value);
    if (flag == '-') {
      return digits;
    }
    char fill = flag == '_' ? ' ' : flag == '0' ? '0' : usual;
    return String.valueOf(fill).repeat(Math.max(0, width - digits.length())) + digits;
  }
}
