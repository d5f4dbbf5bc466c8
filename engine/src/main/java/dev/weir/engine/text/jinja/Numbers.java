package dev.weir.engine.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Python's arithmetic: integers without overflow, floor division and modulo, true division, and
 * what {@code + * %} mean for text and lists.
 */
final class Numbers {

  /**
   * Integers beyond this are no part of any prompt; Python itself stops printing at 4300 digits.
   */
  private static final int MAX_INTEGER_BITS = 14_000;

  private Numbers() {}

  /** The arithmetic operators of the language. */
  enum Operator {
    ADD("+"),
    SUBTRACT("-"),
    MULTIPLY("*"),
    DIVIDE("/"),
    FLOOR_DIVIDE("//"),
    MODULO("%"),
    POWER("** or pow()");

    final String symbol;

    Operator(String symbol) {
      this.symbol = symbol;
    }
  }

  static Object normal(BigInteger value) {
    if (value.bitLength() < Long.SIZE) {
      return value.longValueExact();
    }
    if (value.bitLength() > MAX_INTEGER_BITS) {
      throw new TemplateLimitException(
          "makes an integer of more than " + MAX_INTEGER_BITS + " bits");
    }
    return value;
  }

  /** {@code int(value)}. */
  static Object truncate(double value) {
    if (Double.isNaN(value)) {
      throw PythonError.value("cannot convert float NaN to integer");
    }
    if (Double.isInfinite(value)) {
      throw PythonError.overflow("cannot convert float infinity to integer");
    }
    return ofDouble(value);
  }

  /** The integer of a finite double without a fraction, or the one below it in magnitude. */
  static Object ofDouble(double value) {
    double whole = value < 0 ? Math.ceil(value) : Math.floor(value);
    return Math.abs(whole) < 0x1p62
        ? (Object) (long) whole
        : normal(new BigDecimal(whole).toBigInteger());
  }

  static BigInteger big(Object integer) {
    return switch (integer) {
      case BigInteger value -> value;
      case Boolean value -> value ? BigInteger.ONE : BigInteger.ZERO;
      default -> BigInteger.valueOf((Long) integer);
    };
  }

  static double real(Object number) {
    return switch (number) {
      case Double value -> value;
      case Long value -> value;
      case Boolean value -> value ? 1 : 0;
      default -> finite(((BigInteger) number).doubleValue());
    };
  }

  private static double finite(double value) {
    if (Double.isInfinite(value)) {
      throw PythonError.overflow("int too large to convert to float");
    }
    return value;
  }

  static Object binary(Operator operator, Object left, Object right, Budget budget) {
    if (left instanceof Long a && right instanceof Long b) {
      Object quick = onLongs(operator, a, b);
      if (quick != null) {
        return quick;
      }
    }
    if (left instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (operator == Operator.MODULO && Values.isText(left)) {
      return StringFormat.percent(left, right, budget);
    }
    if (right instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (Values.isNumber(left) && Values.isNumber(right)) {
      return left instanceof Double || right instanceof Double
          ? onReals(operator, real(left), real(right))
          : onIntegers(operator, big(left), big(right));
    }
    Object other =
        switch (operator) {
          case ADD -> concatenate(left, right, budget);
          case MULTIPLY -> repeat(left, right, budget);
          default -> null;
        };
    if (other == null) {
      throw PythonError.type(
          "unsupported operand type(s) for "
              + operator.symbol
              + ": '"
              + Values.typeName(left)
              + "' and '"
              + Values.typeName(right)
              + "'");
    }
    return other;
  }

  /** The result where it is quick and fits, else null. */
  private static @Nullable Object onLongs(Operator operator, long a, long b) {
    return switch (operator) {
      case ADD -> {
        long sum = a + b;
        yield ((a ^ sum) & (b ^ sum)) < 0 ? null : (Object) sum;
      }
      case SUBTRACT -> {
        long difference = a - b;
        yield ((a ^ b) & (a ^ difference)) < 0 ? null : (Object) difference;
      }
      case FLOOR_DIVIDE -> b == 0 || b == -1 ? null : (Object) Math.floorDiv(a, b);
      case MODULO -> b == 0 ? null : (Object) Math.floorMod(a, b);
      default -> null;
    };
  }

  private static Object onIntegers(Operator operator, BigInteger a, BigInteger b) {
    return switch (operator) {
      case ADD -> normal(a.add(b));
      case SUBTRACT -> normal(a.subtract(b));
      case MULTIPLY -> normal(a.multiply(b));
      case DIVIDE -> trueDivide(a, b);
      case FLOOR_DIVIDE -> normal(floorDivide(a, b));
      case MODULO -> normal(a.subtract(floorDivide(a, b).multiply(b)));
      case POWER -> power(a, b);
    };
  }

  private static BigInteger floorDivide(BigInteger a, BigInteger b) {
    if (b.signum() == 0) {
      throw PythonError.zeroDivision("integer division or modulo by zero");
    }
    BigInteger[] parts = a.divideAndRemainder(b);
    boolean roundDown = parts[1].signum() != 0 && parts[1].signum() != b.signum();
    return roundDown ? parts[0].subtract(BigInteger.ONE) : parts[0];
  }

  private static Object trueDivide(BigInteger a, BigInteger b) {
    if (b.signum() == 0) {
      throw PythonError.zeroDivision("division by zero");
    }
    int exactBits = 53;
    if (a.bitLength() <= exactBits && b.bitLength() <= exactBits) {
      return a.doubleValue() / b.doubleValue();
    }
    // 40 digits are enough to round to the nearest double but for ties no template will meet.
    return finite(new BigDecimal(a).divide(new BigDecimal(b), new MathContext(40)).doubleValue());
  }

  private static Object power(BigInteger base, BigInteger exponent) {
    if (exponent.signum() < 0) {
      if (base.signum() == 0) {
        throw PythonError.zeroDivision("0.0 cannot be raised to a negative power");
      }
      return Math.pow(finite(base.doubleValue()), finite(exponent.doubleValue()));
    }
    if (base.abs().compareTo(BigInteger.ONE) <= 0) {
      return normal(
          base.signum() < 0 && !exponent.testBit(0)
              ? base.negate()
              : exponent.signum() == 0 ? BigInteger.ONE : base);
    }
    if (exponent.bitLength() > Integer.SIZE - 1
        || (long) (base.bitLength() - 1) * exponent.intValue() > MAX_INTEGER_BITS) {
      throw new TemplateLimitException(
          "makes an integer of more than " + MAX_INTEGER_BITS + " bits");
    }
    return normal(base.pow(exponent.intValue()));
  }

  private static Object onReals(Operator operator, double a, double b) {
    return switch (operator) {
      case ADD -> a + b;
      case SUBTRACT -> a - b;
      case MULTIPLY -> a * b;
      case DIVIDE -> {
        requireNonZero(b, "float division by zero");
        yield a / b;
      }
      case FLOOR_DIVIDE -> {
        requireNonZero(b, "float floor division by zero");
        yield realFloorDivide(a, b);
      }
      case MODULO -> {
        requireNonZero(b, "float modulo");
        yield realModulo(a, b);
      }
      case POWER -> realPower(a, b);
    };
  }

  private static void requireNonZero(double divisor, String message) {
    if (divisor == 0) {
      throw PythonError.zeroDivision(message);
    }
  }

  private static double realModulo(double a, double b) {
    double rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
      return rest + b;
    }
    return rest == 0 ? Math.copySign(0.0, b) : rest;
  }

  private static double realFloorDivide(double a, double b) {
    // As CPython's float_divmod: through the exact remainder, so that the quotient is never off by
    // one.
    double rest = a % b;
    double quotient = (a - rest) / b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
      quotient -= 1;
    }
    if (quotient == 0) {
      return Math.copySign(0.0, a / b);
    }
    double floor = Math.floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
  }

  private static Object realPower(double a, double b) {
    if (a == 0 && b < 0) {
      throw PythonError.zeroDivision("0.0 cannot be raised to a negative power");
    }
    if (a < 0 && b != Math.rint(b)) {
      throw PythonError.value("complex numbers are not supported");
    }
    double result = Math.pow(a, b);
    if (Double.isInfinite(result) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
      throw PythonError.overflow("(34, 'Numerical result out of range')");
    }
    return result;
  }

  private static @Nullable Object concatenate(Object left, Object right, Budget budget) {
    if (Values.isText(left)) {
      if (!Values.isText(right)) {
        throw PythonError.type(
            "can only concatenate str (not \"" + Values.typeName(right) + "\") to str");
      }
      if (left instanceof Markup || right instanceof Markup) {
        return new Markup(
            join(Markup.escape(left, budget).text(), Markup.escape(right, budget).text(), budget));
      }
      return join((String) left, (String) right, budget);
    }
    if (left instanceof Sequence a) {
      if (right instanceof Sequence b && a.getClass() == b.getClass()) {
        budget.charge(a.items().size() + b.items().size());
        List<Object> items = new ArrayList<>(a.items().size() + b.items().size());
        items.addAll(a.items());
        items.addAll(b.items());
        return a.with(items);
      }
      String type = Values.typeName(left);
      throw PythonError.type(
          "can only concatenate " + type + " (not \"" + Values.typeName(right) + "\") to " + type);
    }
    return null;
  }

  private static String join(String left, String right, Budget budget) {
    budget.chargeText((long) left.length() + right.length());
    return left.concat(right);
  }

  private static @Nullable Object repeat(Object left, Object right, Budget budget) {
    if (Values.isInteger(left)) {
      return Values.isInteger(right) ? null : repeat(right, left, budget);
    }
    if (!Values.isInteger(right)) {
      return null;
    }
    // A count beyond an int's range fails the budget by its size alone, unless nothing is repeated.
    long count =
        big(right).max(BigInteger.ZERO).min(BigInteger.valueOf(Integer.MAX_VALUE)).longValue();
    return switch (left) {
      case String text -> repeatText(text, count, budget);
      case Markup markup -> new Markup(repeatText(markup.text(), count, budget));
      case Sequence sequence -> repeatItems(sequence, count, budget);
      default -> null;
    };
  }

  private static Sequence repeatItems(Sequence sequence, long count, Budget budget) {
    int size = sequence.items().size();
    budget.charge(count * size);
    List<Object> items = new ArrayList<>();
    for (long i = 0; i < count && size > 0; i++) {
      items.addAll(sequence.items());
    }
    return sequence.with(items);
  }

  private static String repeatText(String text, long count, Budget budget) {
    budget.chargeText(text.length() * count);
    return text.isEmpty() ? "" : text.repeat((int) count);
  }

  static Object negate(Object value) {
    return switch (value) {
      case Long integer when integer != Long.MIN_VALUE -> -integer;
      case Double real -> -real;
      case Boolean bool -> bool ? -1L : 0L;
      case Undefined undefined -> throw undefined.error();
      default -> {
        if (!Values.isInteger(value)) {
          throw PythonError.type("bad operand type for unary -: '" + Values.typeName(value) + "'");
        }
        yield normal(big(value).negate());
      }
    };
  }

  static Object plus(Object value) {
    return switch (value) {
      case Boolean bool -> bool ? 1L : 0L;
      case Undefined undefined -> throw undefined.error();
      default -> {
        if (!Values.isNumber(value)) {
          throw PythonError.type("bad operand type for unary +: '" + Values.typeName(value) + "'");
        }
        yield value;
      }
    };
  }

  /** Python's {@code round(value, digits)}: to even on the exact binary value. */
  static double round(double value, int digits) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return value;
    }
    return new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).doubleValue();
  }

  /** The number that {@code int(text, base)} reads, or null where it refuses. */
  static @Nullable Object parseInteger(String text, int base) {
    String digits = StringMethods.strip(text).toLowerCase(Locale.ROOT);
    boolean negative = digits.startsWith("-");
    if (negative || digits.startsWith("+")) {
      digits = digits.substring(1);
    }
    int radix = base;
    String prefix = digits.length() > 2 ? digits.substring(0, 2) : "";
    int prefixBase =
        switch (prefix) {
          case "0x" -> 16;
          case "0o" -> 8;
          case "0b" -> 2;
          default -> 0;
        };
    if (prefixBase != 0 && (base == prefixBase || base == 0)) {
      radix = prefixBase;
      digits = digits.substring(digits.charAt(2) == '_' ? 3 : 2);
    } else if (base == 0) {
      radix = 10;
    }
    boolean wellFormed =
        !digits.isEmpty()
            && !digits.startsWith("_")
            && !digits.endsWith("_")
            && !digits.contains("__")
            && !digits.startsWith("-")
            && !digits.startsWith("+");
    if (!wellFormed || digits.length() > PythonText.MAX_INTEGER_DIGITS || radix < 2 || radix > 36) {
      return null;
    }
    try {
      BigInteger value = new BigInteger(digits.replace("_", ""), radix);
      return normal(negative ? value.negate() : value);
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /** The number that {@code float(text)} reads, or null where it refuses. */
  static @Nullable Double parseReal(String text) {
    String digits = StringMethods.strip(text).toLowerCase(Locale.ROOT);
    String unsigned =
        digits.startsWith("-") || digits.startsWith("+") ? digits.substring(1) : digits;
    double sign = digits.startsWith("-") ? -1 : 1;
    switch (unsigned) {
      case "inf", "infinity" -> {
        return sign * Double.POSITIVE_INFINITY;
      }
      case "nan" -> {
        return Double.NaN;
      }
      default -> {
        // Java's parser also takes hexadecimal floats and a suffix of d or f, Python's underscores.
        boolean decimal = unsigned.chars().allMatch(c -> "0123456789.e+-_".indexOf(c) >= 0);
        boolean wellFormed = decimal && !unsigned.startsWith("-") && !unsigned.startsWith("+");
        if (!wellFormed || unsigned.length() > PythonText.MAX_INTEGER_DIGITS) {
          return null;
        }
        try {
          return sign * Double.parseDouble(unsigned.replace("_", ""));
        } catch (NumberFormatException e) {
          return null;
        }
      }
    }
  }

  /** {@code items} in reverse order, as a new list. */
  static List<Object> reversed(List<Object> items) {
    List<Object> copy = new ArrayList<>(items);
    Collections.reverse(copy);
    return copy;
  }
}
