package dev.weir.engine.text.jinja;

import java.util.Iterator;
import java.util.NoSuchElementException;

/** A Python range. Its length is at most {@link #MAX_LENGTH}, as in jinja2's sandbox. */
record RangeValue(long start, long step, int length) {

  static final int MAX_LENGTH = 100_000;

  static RangeValue of(long start, long stop, long step) {
    if (step == 0) {
      throw PythonError.value("range() arg 3 must not be zero");
    }
    // Doubles are exact enough to tell a length near the limit from one far beyond it.
    double length = Math.ceil(((double) stop - start) / step);
    if (length > MAX_LENGTH) {
      throw PythonError.overflow(
          "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + MAX_LENGTH + ").");
    }
    return new RangeValue(start, step, (int) Math.max(0, length));
  }

  long get(int index) {
    return start + index * step;
  }

  Iterator<Object> iterator() {
    return new Iterator<>() {
      private int index;

      @Override
      public boolean hasNext() {
        return index < length;
      }

      @Override
      public Object next() {
        if (index >= length) {
          throw new NoSuchElementException();
        }
        return get(index++);
      }
    };
  }
}
