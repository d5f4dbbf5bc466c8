package dev.weir.engine.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.Iterator;

/** Values as Python prints them: {@code str}, {@code repr}, and the shortest digits of a float. */
final class PythonText {

  /** Python refuses to convert longer integers to or from decimal. */
  static final int MAX_INTEGER_DIGITS = 4300;

  /** Floats of at least 10^16 are printed with an exponent, as are those below 10^-4. */
  private static final int MAX_FIXED_POINT = 16;

  private static final int MIN_FIXED_POINT = -3;

  private PythonText() {}

  /** {@code str(value)}. */
  static String str(Object value, Budget budget) {
    return switch (value) {
      case String text -> text;
      case Markup markup -> markup.text();
      case Undefined undefined -> "";
      default -> repr(value, budget);
    };
  }

  /** {@code repr(value)}. */
  static String repr(Object value, Budget budget) {
    if (Values.isNumber(value)) {
      return number(value);
    }
    StringBuilder out = new StringBuilder();
    appendRepr(out, value, budget);
    return out.toString();
  }

  /** {@code str} of a number. */
  static String number(Object value) {
    return switch (value) {
      case Long integer -> Long.toString(integer);
      case Boolean bool -> bool ? "True" : "False";
      case Double real -> real(real);
      default -> integer((BigInteger) value);
    };
  }

  private static String integer(BigInteger value) {
    String digits = value.toString();
    if (digits.length() > MAX_INTEGER_DIGITS + (value.signum() < 0 ? 1 : 0)) {
      throw PythonError.value(
          "Exceeds the limit (" + MAX_INTEGER_DIGITS + " digits) for integer string conversion");
    }
    return digits;
  }

  /** {@code repr} of a float: the shortest digits that read back as the same double. */
  static String real(double value) {
    if (Double.isNaN(value)) {
      return "nan";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    String sign = Math.copySign(1, value) < 0 ? "-" : "";
    if (value == 0) {
      return sign + "0.0";
    }
    BigDecimal shortest = shortest(Math.abs(value));
    String digits = shortest.unscaledValue().toString();
    int point = digits.length() - shortest.scale();
    if (point < MIN_FIXED_POINT || point > MAX_FIXED_POINT) {
      String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
      int exponent = point - 1;
      String exponentDigits = (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
      return sign + digits.charAt(0) + fraction + (exponent < 0 ? "e-" : "e+") + exponentDigits;
    }
    String plain = shortest.toPlainString();
    return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
  }

  private static BigDecimal shortest(double value) {
    BigDecimal digits = new BigDecimal(Double.toString(value)).stripTrailingZeros();
    // Java gives at least two digits (4.9E-324), even where one (5e-324) reads back as the same.
    if (digits.precision() == 2) {
      BigDecimal one = digits.round(new MathContext(1));
      if (one.doubleValue() == value) {
        return one.stripTrailingZeros();
      }
    }
    return digits;
  }

  static void appendRepr(StringBuilder out, Object value, Budget budget) {
    budget.enter();
    switch (value) {
      case String text -> quote(out, text, budget);
      case Markup markup -> {
        out.append("Markup(");
        quote(out, markup.text(), budget);
        out.append(')');
      }
      case None none -> out.append("None");
      case Undefined undefined -> out.append("Undefined");
      case ListValue list -> {
        out.append('[');
        appendAll(out, list.items().iterator(), budget);
        out.append(']');
      }
      case TupleValue tuple -> {
        out.append('(');
        appendAll(out, tuple.items().iterator(), budget);
        out.append(tuple.items().size() == 1 ? ",)" : ")");
      }
      case DictValue dict -> appendDict(out, dict, budget);
      case DictView view -> {
        out.append(view.part().typeName).append("([");
        appendAll(out, view.iterator(), budget);
        out.append("])");
      }
      case RangeValue range -> appendRange(out, range);
      case Namespace namespace -> out.append("<Namespace>");
      case Callable callable ->
          out.append('<')
              .append(Values.typeName(callable))
              .append(' ')
              .append(callable.name())
              .append('>');
      case Generator generator -> out.append('<').append(generator.typeName()).append(" object>");
      default -> out.append(number(value));
    }
    budget.leave();
  }

  private static void appendAll(StringBuilder out, Iterator<Object> items, Budget budget) {
    boolean first = true;
    while (items.hasNext()) {
      if (!first) {
        out.append(", ");
      }
      first = false;
      appendRepr(out, items.next(), budget);
    }
  }

  private static void appendDict(StringBuilder out, DictValue dict, Budget budget) {
    out.append('{');
    boolean first = true;
    for (DictValue.Entry entry : dict.entries()) {
      if (!first) {
        out.append(", ");
      }
      first = false;
      appendRepr(out, entry.key(), budget);
      out.append(": ");
      appendRepr(out, entry.value(), budget);
    }
    out.append('}');
  }

  private static void appendRange(StringBuilder out, RangeValue range) {
    long stop = range.start() + range.step() * range.length();
    out.append("range(").append(range.start()).append(", ").append(stop);
    if (range.step() != 1) {
      out.append(", ").append(range.step());
    }
    out.append(')');
  }

  private static void quote(StringBuilder out, String text, Budget budget) {
    budget.chargeAppend((long) out.length() + text.length(), text.length());
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      switch (c) {
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\\' -> out.append("\\\\");
        default -> {
          if (c == quote) {
            out.append('\\').append(quote);
          } else if (isPrintable(c)) {
            out.appendCodePoint(c);
          } else {
            escape(out, c);
          }
        }
      }
    }
    out.append(quote);
  }

  private static void escape(StringBuilder out, int c) {
    if (c <= 0xff) {
      out.append("\\x");
      hex(out, c, 2);
    } else if (c <= 0xffff) {
      out.append("\\u");
      hex(out, c, 4);
    } else {
      out.append("\\U");
      hex(out, c, 8);
    }
  }

  static void hex(StringBuilder out, int value, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      out.append(Character.forDigit((value >> shift) & 0xf, 16));
    }
  }

  /** Python's {@code str.isprintable} of one code point. */
  static boolean isPrintable(int c) {
    if (c < 0x7f) {
      return c >= ' ';
    }
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }

  /** Python's {@code str.isspace} of one code point. */
  static boolean isSpace(int c) {
    if (c <= ' ') {
      return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
    }
    return c >= 0x85
        && (c == 0x85
            || c == 0xa0
            || c == 0x1680
            || (c >= 0x2000 && c <= 0x200a)
            || c == 0x2028
            || c == 0x2029
            || c == 0x202f
            || c == 0x205f
            || c == 0x3000);
  }
}
