package dev.weir.engine.text.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The evaluated arguments of a call, a filter or a test. */
record Arguments(List<Object> positional, Map<String, Object> named) {

  static final Arguments NONE = new Arguments(List.of(), Map.of());

  /** The arguments after the first {@code count} positional ones. */
  Arguments skip(int count) {
    return new Arguments(positional.subList(count, positional.size()), named);
  }

  /**
   * Matches the arguments to {@code parameters}, of which the first {@code required} must be given.
   */
  Bound bind(String function, int required, String... parameters) {
    if (positional.size() > parameters.length) {
      throw PythonError.type(
          function
              + "() takes at most "
              + parameters.length
              + " arguments ("
              + positional.size()
              + " given)");
    }
    @Nullable Object[] values = new @Nullable Object[parameters.length];
    int found = 0;
    for (int i = 0; i < parameters.length; i++) {
      boolean isNamed = named.containsKey(parameters[i]);
      if (i < positional.size()) {
        if (isNamed) {
          throw PythonError.type(
              function + "() got multiple values for argument '" + parameters[i] + "'");
        }
        values[i] = positional.get(i);
      } else if (isNamed) {
        values[i] = named.get(parameters[i]);
        found++;
      } else if (i < required) {
        throw PythonError.type(function + "() missing required argument: '" + parameters[i] + "'");
      }
    }
    if (found < named.size()) {
      throw PythonError.type(function + "() got an unexpected keyword argument");
    }
    return new Bound(function, values);
  }

  /**
   * Matches the arguments of a function that, like most methods of Python's strings, takes no
   * names.
   */
  Bound bindPositional(String function, int required, String... parameters) {
    if (!named.isEmpty()) {
      throw PythonError.type(function + "() takes no keyword arguments");
    }
    return bind(function, required, parameters);
  }

  /** Arguments in the order of a function's parameters. */
  static final class Bound {

    private final String function;
    private final @Nullable Object[] values;

    private Bound(String function, @Nullable Object[] values) {
      this.function = function;
      this.values = values;
    }

    boolean has(int index) {
      return values[index] != null;
    }

    Object get(int index) {
      return or(index, None.NONE);
    }

    Object or(int index, Object fallback) {
      Object value = values[index];
      return value == null ? fallback : value;
    }

    boolean isNone(int index) {
      return get(index) == None.NONE;
    }

    boolean flag(int index, boolean fallback) {
      Object value = values[index];
      return value == null ? fallback : Values.truth(value);
    }

    long integer(int index, long fallback) {
      Object value = values[index];
      if (value == null) {
        return fallback;
      }
      return switch (value) {
        case Long integer -> integer;
        case Boolean bool -> bool ? 1 : 0;
        case Undefined undefined -> throw undefined.error();
        default ->
            throw PythonError.type(
                function
                    + "(): '"
                    + Values.typeName(value)
                    + "' object cannot be interpreted as an integer");
      };
    }

    String text(int index) {
      Object value = get(index);
      if (Values.isText(value)) {
        return Values.text(value);
      }
      throw PythonError.type(
          function + "(): expected str instance, " + Values.typeName(value) + " found");
    }
  }
}
