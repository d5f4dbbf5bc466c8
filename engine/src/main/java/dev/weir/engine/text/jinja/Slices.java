package dev.weir.engine.text.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/** Python's {@code value[start:stop:step]}, for lists, tuples, ranges and text. */
final class Slices {

  private Slices() {}

  static Object slice(Object value, Object start, Object stop, Object step, Budget budget) {
    boolean isSliceable =
        value instanceof Sequence || Values.isText(value) || value instanceof RangeValue;
    if (!isSliceable) {
      throw PythonError.type("'" + Values.typeName(value) + "' object is not subscriptable");
    }
    long stride = step == None.NONE ? 1 : index(step);
    if (stride == 0) {
      throw PythonError.value("slice step cannot be zero");
    }
    int length = (int) Values.length(value);
    // Going down, a bound may lie before the first element: -1 says so here.
    long lowest = stride > 0 ? 0 : -1;
    long highest = stride > 0 ? length : length - 1L;
    long from = bound(start, stride > 0 ? lowest : highest, lowest, highest, length);
    long to = bound(stop, stride > 0 ? highest : lowest, lowest, highest, length);
    long count =
        stride > 0 ? (to - from + stride - 1) / stride : (from - to - stride - 1) / -stride;
    return take(value, from, Math.max(0, count), stride, budget);
  }

  private static Object take(Object value, long from, long count, long stride, Budget budget) {
    budget.charge(count / 8);
    return switch (value) {
      case Sequence sequence -> {
        List<Object> items = new ArrayList<>((int) count);
        for (long i = 0, at = from; i < count; i++, at += stride) {
          items.add(sequence.items().get((int) at));
        }
        yield sequence.with(items);
      }
      case RangeValue range ->
          new RangeValue(range.start() + from * range.step(), range.step() * stride, (int) count);
      case Markup markup -> new Markup(takeText(markup.text(), from, count, stride));
      default -> takeText((String) value, from, count, stride);
    };
  }

  private static String takeText(String text, long from, long count, long stride) {
    if (count == 0) {
      return "";
    }
    boolean isPlain = text.codePointCount(0, text.length()) == text.length();
    if (stride == 1) {
      int start = isPlain ? (int) from : text.offsetByCodePoints(0, (int) from);
      int end = isPlain ? start + (int) count : text.offsetByCodePoints(start, (int) count);
      return text.substring(start, end);
    }
    int[] points = text.codePoints().toArray();
    StringBuilder out = new StringBuilder((int) count);
    for (long i = 0, at = from; i < count; i++, at += stride) {
      out.appendCodePoint(points[(int) at]);
    }
    return out.toString();
  }

  /** {@code text[start:stop]}. */
  static String window(String text, Object start, Object stop) {
    int length = text.codePointCount(0, text.length());
    long from = bound(start, 0, 0, length, length);
    long to = bound(stop, length, 0, length, length);
    return takeText(text, from, Math.max(0, to - from), 1);
  }

  /** Where {@code text[start:]} begins, in code points. */
  static long start(Object start, int length) {
    return bound(start, 0, 0, length, length);
  }

  private static long bound(Object given, long fallback, long lowest, long highest, int length) {
    if (given == None.NONE) {
      return fallback;
    }
    long index = index(given);
    return Math.clamp(index < 0 ? index + length : index, lowest, highest);
  }

  /** The integer as an int's range allows; no text or list is longer than that. */
  private static long index(Object integer) {
    if (!Values.isInteger(integer)) {
      throw PythonError.type("slice indices must be integers or None or have an __index__ method");
    }
    if (integer instanceof BigInteger big) {
      return big.signum() * (long) Integer.MAX_VALUE;
    }
    long value = Numbers.big(integer).longValueExact();
    return Math.clamp(value, -Integer.MAX_VALUE, Integer.MAX_VALUE);
  }
}
