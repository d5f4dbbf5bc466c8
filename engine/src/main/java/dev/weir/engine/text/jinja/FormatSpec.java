package dev.weir.engine.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/**
 * Python's format specification, {@code [[fill]align][sign][#][0][width][,][.precision][type]}, and
 * what it makes of text and numbers.
 *
 * @param align one of {@code < > = ^}, or {@code 0} for the type's own
 * @param sign one of {@code + -} and space
 * @param grouping {@code ,} or {@code _}, or {@code 0} for none
 * @param precision -1 where none is given
 * @param type {@code 0} where none is given
 */
record FormatSpec(
    String fill,
    char align,
    char sign,
    boolean alternate,
    int width,
    char grouping,
    int precision,
    char type) {

  /** As Python, which formats floats with six digits unless told otherwise. */
  private static final int DEFAULT_PRECISION = 6;

  /** A double's exact decimal expansion has fewer digits than this. */
  private static final int MAX_PRECISION = 1100;

  private static final int MAX_SPEC_DIGITS = 9;

  static FormatSpec parse(String text) {
    int at = 0;
    String fill = " ";
    char align = 0;
    int afterFirst = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
    if (afterFirst > 0 && afterFirst < text.length() && isAlign(text.charAt(afterFirst))) {
      fill = text.substring(0, afterFirst);
      align = text.charAt(afterFirst);
      at = afterFirst + 1;
    } else if (!text.isEmpty() && isAlign(text.charAt(0))) {
      align = text.charAt(0);
      at = 1;
    }
    char sign = '-';
    if (at < text.length() && "+- ".indexOf(text.charAt(at)) >= 0) {
      sign = text.charAt(at++);
    }
    boolean alternate = at < text.length() && text.charAt(at) == '#';
    if (alternate) {
      at++;
    }
    if (at < text.length() && text.charAt(at) == '0') {
      at++;
      if (align == 0) {
        fill = "0";
        align = '=';
      }
    }
    int widthEnd = digitsEnd(text, at);
    int width = integer(text, at, widthEnd, 0);
    at = widthEnd;
    char grouping = 0;
    if (at < text.length() && ",_".indexOf(text.charAt(at)) >= 0) {
      grouping = text.charAt(at++);
    }
    int precision = -1;
    if (at < text.length() && text.charAt(at) == '.') {
      int end = digitsEnd(text, at + 1);
      if (end == at + 1) {
        throw PythonError.value("Format specifier missing precision");
      }
      precision = integer(text, at + 1, end, 0);
      at = end;
    }
    char type = at < text.length() ? text.charAt(at++) : 0;
    if (at < text.length()) {
      throw PythonError.value("Invalid format specifier");
    }
    return new FormatSpec(fill, align, sign, alternate, width, grouping, precision, type);
  }

  private static boolean isAlign(char c) {
    return "<>=^".indexOf(c) >= 0;
  }

  static int digitsEnd(String text, int from) {
    int at = from;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    return at;
  }

  static int integer(String text, int from, int to, int fallback) {
    if (to - from > MAX_SPEC_DIGITS) {
      throw PythonError.value("Too many decimal digits in format string");
    }
    return from == to ? fallback : Integer.parseInt(text, from, to, 10);
  }

  /** {@code format(value, spec)}. */
  String format(Object value, Budget budget) {
    if (Values.isText(value)) {
      return formatText(Values.text(value), budget);
    }
    if (!Values.isNumber(value)) {
      throw PythonError.type(
          "unsupported format string passed to " + Values.typeName(value) + ".__format__");
    }
    return formatNumber(value, budget);
  }

  String formatText(String text, Budget budget) {
    if (type != 0 && type != 's') {
      throw PythonError.value("Unknown format code '" + type + "' for object of type 'str'");
    }
    if (align == '=' && !fill.equals("0")) {
      throw PythonError.value("'=' alignment not allowed in string format specifier");
    }
    int length = text.codePointCount(0, text.length());
    String shown =
        precision >= 0 && precision < length
            ? text.substring(0, text.offsetByCodePoints(0, precision))
            : text;
    return pad("", shown, align == 0 || align == '=' ? '<' : align, budget);
  }

  String formatNumber(Object value, Budget budget) {
    boolean real = value instanceof Double || (type != 0 && "eEfFgG%".indexOf(type) >= 0);
    String digits = real ? real(Numbers.real(value)) : integer(Numbers.big(value));
    boolean negative = digits.startsWith("-");
    String magnitude = negative ? digits.substring(1) : digits;
    String prefix = negative ? "-" : sign == '-' ? "" : String.valueOf(sign);
    if (alternate && !real && type != 0 && "xXob".indexOf(type) >= 0) {
      prefix += "0" + type;
    }
    if (grouping != 0) {
      magnitude = group(magnitude);
    }
    return pad(prefix, magnitude, align == 0 ? '>' : align, budget);
  }

  private String pad(String prefix, String body, char side, Budget budget) {
    int missing = width - prefix.length() - body.codePointCount(0, body.length());
    if (missing <= 0) {
      return prefix + body;
    }
    budget.chargeText((long) width * fill.length());
    return switch (side) {
      case '<' -> prefix + body + fill.repeat(missing);
      case '^' -> fill.repeat(missing / 2) + prefix + body + fill.repeat(missing - missing / 2);
      case '=' -> prefix + fill.repeat(missing) + body;
      default -> fill.repeat(missing) + prefix + body;
    };
  }

  private String group(String digits) {
    int end = 0;
    while (end < digits.length() && Character.isDigit(digits.charAt(end))) {
      end++;
    }
    StringBuilder out = new StringBuilder(digits);
    for (int at = end - 3; at > 0; at -= 3) {
      out.insert(at, grouping);
    }
    return out.toString();
  }

  private String integer(BigInteger value) {
    if (precision >= 0) {
      throw PythonError.value("Precision not allowed in integer format specifier");
    }
    return switch (type) {
      case 0, 'd', 'n' -> value.toString();
      case 'x' -> value.toString(16);
      case 'X' -> value.toString(16).toUpperCase(Locale.ROOT);
      case 'o' -> value.toString(8);
      case 'b' -> value.toString(2);
      case 'c' -> character(value);
      default ->
          throw PythonError.value("Unknown format code '" + type + "' for object of type 'int'");
    };
  }

  static String character(BigInteger value) {
    if (value.signum() < 0
        || value.bitLength() > 31
        || value.intValue() > Character.MAX_CODE_POINT) {
      throw PythonError.overflow("%c arg not in range(0x110000)");
    }
    return Character.toString(value.intValue());
  }

  private String real(double value) {
    if (type == 0 && precision < 0) {
      return PythonText.real(value);
    }
    String digits;
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      digits = PythonText.real(value);
    } else {
      int places = Math.min(precision < 0 ? DEFAULT_PRECISION : precision, MAX_PRECISION);
      digits =
          switch (type) {
            case 'f', 'F' -> fixed(value, places);
            case '%' -> fixed(value * 100, places);
            case 'e', 'E' -> exponential(value, places);
            case 'g', 'G', 'n' -> general(value, Math.max(1, places), false);
            case 0 -> general(value, Math.max(1, places), true);
            default ->
                throw PythonError.value(
                    "Unknown format code '" + type + "' for object of type 'float'");
          };
    }
    digits = type == '%' ? digits + "%" : digits;
    return type == 'E' || type == 'G' || type == 'F' ? digits.toUpperCase(Locale.ROOT) : digits;
  }

  private static String sign(double value) {
    return Math.copySign(1, value) < 0 ? "-" : "";
  }

  private static String fixed(double value, int places) {
    BigDecimal rounded = new BigDecimal(Math.abs(value)).setScale(places, RoundingMode.HALF_EVEN);
    return sign(value) + rounded.toPlainString();
  }

  private static String exponential(double value, int places) {
    BigDecimal rounded = significant(value, places + 1);
    String digits = rounded.unscaledValue().toString();
    digits += "0".repeat(Math.max(0, places + 1 - digits.length()));
    int exponent = value == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
    String fraction = places > 0 ? "." + digits.substring(1, places + 1) : "";
    return sign(value) + digits.charAt(0) + fraction + exponent(exponent);
  }

  private static String exponent(int exponent) {
    int size = Math.abs(exponent);
    return (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + size;
  }

  private static BigDecimal significant(double value, int digits) {
    return new BigDecimal(Math.abs(value)).round(new MathContext(digits, RoundingMode.HALF_EVEN));
  }

  /**
   * C's {@code %g}; with {@code keepPoint} as Python prints a float with a precision but no type.
   */
  private static String general(double value, int digits, boolean keepPoint) {
    BigDecimal rounded = significant(value, digits);
    int exponent = value == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
    BigDecimal trimmed = rounded.signum() == 0 ? BigDecimal.ZERO : rounded.stripTrailingZeros();
    if (exponent < -4 || exponent >= (keepPoint ? digits - 1 : digits)) {
      String all = trimmed.unscaledValue().toString();
      String fraction = all.length() > 1 ? "." + all.substring(1) : "";
      return sign(value) + all.charAt(0) + fraction + exponent(exponent);
    }
    String plain = trimmed.toPlainString();
    return sign(value) + plain + (keepPoint && plain.indexOf('.') < 0 ? ".0" : "");
  }
}
