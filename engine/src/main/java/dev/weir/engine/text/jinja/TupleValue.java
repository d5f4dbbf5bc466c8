package dev.weir.engine.text.jinja;

import java.util.List;

/**
 * A Python tuple; {@code fields}, where there are any, name its items as in a named tuple (what
 * {@code groupby} gives).
 */
record TupleValue(List<Object> items, List<String> fields) implements Sequence {

  static TupleValue of(List<Object> items) {
    return new TupleValue(items, List.of());
  }

  @Override
  public TupleValue with(List<Object> other) {
    return of(other);
  }
}
