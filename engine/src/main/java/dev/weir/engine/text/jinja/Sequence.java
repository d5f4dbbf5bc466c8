package dev.weir.engine.text.jinja;

import java.util.List;

/** A list or a tuple. Neither can change: the sandbox forbids every method that would. */
sealed interface Sequence permits ListValue, TupleValue {

  List<Object> items();

  /** A sequence of the same kind with other items. */
  Sequence with(List<Object> items);
}
