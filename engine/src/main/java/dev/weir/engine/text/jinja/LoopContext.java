package dev.weir.engine.text.jinja;

import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The {@code loop} of a running for block. It looks ahead only when asked for what comes next, and
 * counts a sequence without a length only when asked for it, as a template can see the difference.
 */
final class LoopContext implements Callable {

  private final Object iterable;
  private final int depth;
  private final @Nullable Function<Object, String> recursion;
  private final Budget budget;
  private Iterator<Object> rest;
  private long index0 = -1;
  private long length = -1;
  private @Nullable Object before;
  private @Nullable Object current;
  private @Nullable Object after;
  private @Nullable Object lastChanged;

  /**
   * @param iterable what {@code items} come from, for its length; a {@link Generator} has none
   * @param depth how many loops of a recursive block are around this one
   * @param recursion renders the block for other items; null where it is not recursive
   */
  LoopContext(
      Object iterable,
      Iterator<Object> items,
      int depth,
      @Nullable Function<Object, String> recursion,
      Budget budget) {
    this.iterable = iterable;
    this.rest = items;
    this.depth = depth;
    this.recursion = recursion;
    this.budget = budget;
  }

  /** The next item, or null after the last. */
  @Nullable Object next() {
    Object item = peek();
    after = null;
    if (item != null) {
      index0++;
      before = current;
      current = item;
    }
    return item;
  }

  private @Nullable Object peek() {
    if (after == null && rest.hasNext()) {
      after = rest.next();
    }
    return after;
  }

  long length() {
    if (length < 0) {
      length = Values.lengthOrNegative(iterable);
      if (length < 0) {
        List<Object> all = Values.toList(new Generator(rest), budget);
        rest = all.iterator();
        length = all.size() + index0 + 1 + (after == null ? 0 : 1);
      }
    }
    return length;
  }

  @Nullable Object attribute(String name) {
    return switch (name) {
      case "index" -> index0 + 1;
      case "index0" -> index0;
      case "first" -> index0 == 0;
      case "last" -> peek() == null;
      case "length" -> length();
      case "revindex" -> length() - index0;
      case "revindex0" -> length() - index0 - 1;
      case "depth" -> depth + 1L;
      case "depth0" -> (long) depth;
      case "previtem" ->
          before == null || index0 == 0 ? Undefined.because("there is no previous item") : before;
      case "nextitem" -> {
        Object next = peek();
        yield next == null ? Undefined.because("there is no next item") : next;
      }
      case "cycle" -> new Builtin("cycle", (arguments, evaluator) -> cycle(arguments));
      case "changed" -> new Builtin("changed", (arguments, evaluator) -> changed(arguments));
      default -> null;
    };
  }

  private Object cycle(Arguments arguments) {
    List<Object> values = arguments.positional();
    if (values.isEmpty()) {
      throw PythonError.type("no items for cycling given");
    }
    return values.get((int) (index0 % values.size()));
  }

  private Object changed(Arguments arguments) {
    Object value = TupleValue.of(arguments.positional());
    boolean isSame = lastChanged != null && Comparison.equal(lastChanged, value, budget);
    lastChanged = value;
    return !isSame;
  }

  @Override
  public String name() {
    return (index0 + 1) + "/" + length();
  }

  /** Renders the loop's block for other items. */
  @Override
  public Object call(Arguments arguments, Evaluator evaluator) {
    if (recursion == null) {
      throw PythonError.type("The loop must have the 'recursive' marker to be called recursively.");
    }
    return recursion.apply(arguments.bind("loop", 1, "iterable").get(0));
  }
}
