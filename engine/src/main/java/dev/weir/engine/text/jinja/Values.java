package dev.weir.engine.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * What the interpreter computes with, and what Python says of each: its type's name, truth, length
 * and iteration. A value is one of {@link None}, {@link Undefined}, {@code Boolean}, {@code Long}
 * (or {@code BigInteger}, only where a long can't hold it), {@code Double}, {@code String}, {@link
 * Markup}, {@link Sequence}, {@link RangeValue}, {@link DictValue}, {@link DictView}, {@link
 * Generator}, {@link Namespace} and {@link Callable}.
 */
final class Values {

  private Values() {}

  /**
   * A value of the interpreter for what a caller handed in: null, Boolean, Byte, Short, Integer,
   * Long, BigInteger, Float, Double, BigDecimal, CharSequence, List or Map. Copies the containers,
   * so that a rendering sees one state of them.
   *
   * @throws IllegalArgumentException for any other type
   */
  static Object fromJava(@Nullable Object value, Budget budget) {
    return switch (value) {
      case null -> None.NONE;
      case String text -> text;
      case Boolean bool -> bool;
      case Long integer -> integer;
      case Integer integer -> integer.longValue();
      case Short integer -> integer.longValue();
      case Byte integer -> integer.longValue();
      case BigInteger integer -> Numbers.normal(integer);
      case Double real -> real;
      case Float real -> real.doubleValue();
      case BigDecimal real -> real.doubleValue();
      case CharSequence text -> text.toString();
      case List<?> list -> {
        budget.enter();
        List<Object> items = new ArrayList<>(list.size());
        for (Object item : list) {
          items.add(fromJava(item, budget));
        }
        budget.leave();
        yield new ListValue(items);
      }
      case Map<?, ?> map -> {
        budget.enter();
        DictValue dict = new DictValue(map.size());
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          dict.put(fromJava(entry.getKey(), budget), fromJava(entry.getValue(), budget), budget);
        }
        budget.leave();
        yield dict;
      }
      default ->
          throw new IllegalArgumentException(
              "a template variable can't hold a "
                  + value.getClass().getName()
                  + "; give null, Boolean, numbers, String, List or Map");
    };
  }

  static String typeName(Object value) {
    return switch (value) {
      case None none -> "NoneType";
      case Undefined undefined -> "Undefined";
      case Boolean bool -> "bool";
      case Long integer -> "int";
      case BigInteger integer -> "int";
      case Double real -> "float";
      case String text -> "str";
      case Markup markup -> "Markup";
      case ListValue list -> "list";
      case TupleValue tuple -> "tuple";
      case RangeValue range -> "range";
      case DictValue dict -> "dict";
      case DictView view -> view.part().typeName;
      case Generator generator -> generator.typeName();
      case Namespace namespace -> "Namespace";
      case Macro macro -> "Macro";
      case LoopContext loop -> "LoopContext";
      default -> "function";
    };
  }

  static boolean truth(Object value) {
    return switch (value) {
      case Boolean bool -> bool;
      case String text -> !text.isEmpty();
      case None none -> false;
      case Undefined undefined -> false;
      case Long integer -> integer != 0;
      case BigInteger integer -> integer.signum() != 0;
      case Double real -> real != 0;
      case Markup markup -> !markup.text().isEmpty();
      case Sequence sequence -> !sequence.items().isEmpty();
      case DictValue dict -> dict.size() > 0;
      case DictView view -> view.dict().size() > 0;
      case RangeValue range -> range.length() > 0;
      default -> true;
    };
  }

  static boolean isText(Object value) {
    return value instanceof String || value instanceof Markup;
  }

  /** The characters of a value that {@link #isText}. */
  static String text(Object value) {
    return value instanceof Markup markup ? markup.text() : (String) value;
  }

  /** Whether Python counts the value among its integers, as it does with booleans. */
  static boolean isInteger(Object value) {
    return value instanceof Long || value instanceof Boolean || value instanceof BigInteger;
  }

  static boolean isNumber(Object value) {
    return value instanceof Double || isInteger(value);
  }

  /** The number of elements, or of code points; -1 where Python's {@code len} refuses. */
  static int lengthOrNegative(Object value) {
    return switch (value) {
      case String text -> text.codePointCount(0, text.length());
      case Markup markup -> markup.text().codePointCount(0, markup.text().length());
      case Sequence sequence -> sequence.items().size();
      case DictValue dict -> dict.size();
      case DictView view -> view.dict().size();
      case RangeValue range -> range.length();
      case Undefined undefined -> 0;
      case LoopContext loop -> Math.toIntExact(loop.length());
      default -> -1;
    };
  }

  static long length(Object value) {
    int length = lengthOrNegative(value);
    if (length < 0) {
      throw PythonError.type("object of type '" + typeName(value) + "' has no len()");
    }
    return length;
  }

  static boolean isIterable(Object value) {
    return value instanceof Generator || lengthOrNegative(value) >= 0;
  }

  static Iterator<Object> iterate(Object value) {
    return switch (value) {
      case Sequence sequence -> sequence.items().iterator();
      case DictValue dict -> new DictView(dict, DictView.Part.KEYS).iterator();
      case DictView view -> view.iterator();
      case Generator generator -> generator.iterator();
      case RangeValue range -> range.iterator();
      case String text -> characters(text);
      case Markup markup -> characters(markup.text());
      case Undefined undefined -> Collections.emptyIterator();
      default -> throw PythonError.type("'" + typeName(value) + "' object is not iterable");
    };
  }

  /** All elements, consuming a generator. The result must not be changed. */
  static List<Object> toList(Object value, Budget budget) {
    if (value instanceof Sequence sequence) {
      return sequence.items();
    }
    List<Object> items = new ArrayList<>();
    for (Iterator<Object> rest = iterate(value); rest.hasNext(); ) {
      budget.charge(1);
      items.add(rest.next());
    }
    return items;
  }

  private static Iterator<Object> characters(String text) {
    return new Iterator<>() {
      private int at;

      @Override
      public boolean hasNext() {
        return at < text.length();
      }

      @Override
      public Object next() {
        if (at >= text.length()) {
          throw new NoSuchElementException();
        }
        int start = at;
        at = text.offsetByCodePoints(at, 1);
        return text.substring(start, at);
      }
    };
  }
}
