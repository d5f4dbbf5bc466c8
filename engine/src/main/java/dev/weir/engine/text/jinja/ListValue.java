package dev.weir.engine.text.jinja;

import java.util.List;

/** A Python list; {@code items} is not changed once it is here. */
record ListValue(List<Object> items) implements Sequence {

  static final ListValue EMPTY = new ListValue(List.of());

  @Override
  public ListValue with(List<Object> other) {
    return new ListValue(other);
  }
}
