package dev.weir.engine.text.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A Python dict: ordered, its keys equal as Python has it ({@code 1}, {@code 1.0} and {@code True}
 * are one key, and the first spelling stays). Filled while it is built, never changed afterwards.
 */
final class DictValue {

  /** One pair, its key as the template spelled it. */
  record Entry(Object key, Object value) {}

  private record TupleKey(List<Object> items) {}

  private enum UndefinedKey {
    KEY
  }

  /** A key that is equal to itself only. */
  private record ObjectKey(Object object) {
    @Override
    @SuppressWarnings("ReferenceEquality") // That is the point.
    public boolean equals(@Nullable Object other) {
      return other instanceof ObjectKey key && key.object == object;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(object);
    }
  }

  private final Map<Object, Entry> entries;

  DictValue() {
    entries = new LinkedHashMap<>();
  }

  DictValue(int expectedSize) {
    entries = LinkedHashMap.newLinkedHashMap(expectedSize);
  }

  int size() {
    return entries.size();
  }

  Collection<Entry> entries() {
    return entries.values();
  }

  void put(String key, Object value) {
    entries.put(key, new Entry(key, value));
  }

  void put(Object key, Object value, Budget budget) {
    Object identity = identity(key, budget);
    Entry old = entries.get(identity);
    entries.put(identity, new Entry(old == null ? key : old.key, value));
  }

  void putAll(DictValue other) {
    for (Map.Entry<Object, Entry> entry : other.entries.entrySet()) {
      Entry old = entries.get(entry.getKey());
      Entry added = entry.getValue();
      entries.put(entry.getKey(), old == null ? added : new Entry(old.key, added.value));
    }
  }

  @Nullable Object get(String key) {
    Entry entry = entries.get(key);
    return entry == null ? null : entry.value;
  }

  @Nullable Object get(Object key, Budget budget) {
    Entry entry = entries.get(identity(key, budget));
    return entry == null ? null : entry.value;
  }

  /** A Java value that is equal to another's exactly where Python's keys are equal. */
  static Object identity(Object key, Budget budget) {
    return switch (key) {
      case String text -> text;
      case Markup markup -> markup.text();
      case Long integer -> integer;
      case Boolean bool -> bool ? 1L : 0L;
      case Double real -> ofDouble(real);
      case BigInteger integer -> integer;
      case None none -> none;
      case Undefined undefined -> UndefinedKey.KEY;
      case TupleValue tuple -> {
        budget.enter();
        budget.charge(Budget.STEPS_PER_TABLE);
        List<Object> items = new ArrayList<>(tuple.items().size());
        for (Object item : tuple.items()) {
          items.add(identity(item, budget));
        }
        budget.leave();
        yield new TupleKey(items);
      }
      case ListValue list -> throw unhashable(list);
      case DictValue dict -> throw unhashable(dict);
      default -> new ObjectKey(key);
    };
  }

  static boolean isHashable(Object key, Budget budget) {
    return switch (key) {
      case ListValue list -> false;
      case DictValue dict -> false;
      case TupleValue tuple -> {
        budget.enter();
        boolean all = true;
        for (Object item : tuple.items()) {
          all &= isHashable(item, budget);
        }
        budget.leave();
        yield all;
      }
      default -> true;
    };
  }

  private static Object ofDouble(double real) {
    if (real != Math.rint(real) || Double.isInfinite(real)) {
      return real;
    }
    return Numbers.ofDouble(real);
  }

  private static PythonError unhashable(Object key) {
    return PythonError.type("unhashable type: '" + Values.typeName(key) + "'");
  }
}
