package dev.weir.engine.text.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The tests of the language, by name. */
final class Tests {

  private static final Map<String, Test> ALL = all();

  private Tests() {}

  static @Nullable Test find(String name) {
    return ALL.get(name);
  }

  private static Map<String, Test> all() {
    Map<String, Test> tests = new HashMap<>();
    tests.put("defined", (value, arguments, evaluator) -> !(value instanceof Undefined));
    tests.put("undefined", (value, arguments, evaluator) -> value instanceof Undefined);
    tests.put("none", (value, arguments, evaluator) -> value == None.NONE);
    tests.put("boolean", (value, arguments, evaluator) -> value instanceof Boolean);
    tests.put("true", (value, arguments, evaluator) -> Boolean.TRUE.equals(value));
    tests.put("false", (value, arguments, evaluator) -> Boolean.FALSE.equals(value));
    tests.put(
        "integer",
        (value, arguments, evaluator) -> Values.isInteger(value) && !(value instanceof Boolean));
    tests.put("float", (value, arguments, evaluator) -> value instanceof Double);
    tests.put("number", (value, arguments, evaluator) -> Values.isNumber(value));
    tests.put("string", (value, arguments, evaluator) -> Values.isText(value));
    tests.put("mapping", (value, arguments, evaluator) -> value instanceof DictValue);
    tests.put("iterable", (value, arguments, evaluator) -> Values.isIterable(value));
    tests.put("sequence", (value, arguments, evaluator) -> isSequence(value));
    // jinja2's undefined object has a call operator, which is the error itself.
    tests.put(
        "callable",
        (value, arguments, evaluator) -> value instanceof Callable || value instanceof Undefined);
    tests.put("escaped", (value, arguments, evaluator) -> value instanceof Markup);
    tests.put("sameas", (value, arguments, evaluator) -> isSame(value, only("sameas", arguments)));
    tests.put(
        "lower",
        (value, arguments, evaluator) ->
            StringMethods.isLower(PythonText.str(value, evaluator.budget())));
    tests.put(
        "upper",
        (value, arguments, evaluator) ->
            StringMethods.isUpper(PythonText.str(value, evaluator.budget())));
    tests.put("odd", (value, arguments, evaluator) -> rest(value, 2L, evaluator) == 1);
    tests.put("even", (value, arguments, evaluator) -> rest(value, 2L, evaluator) == 0);
    tests.put(
        "divisibleby",
        (value, arguments, evaluator) ->
            rest(value, only("divisibleby", arguments), evaluator) == 0);
    tests.put(
        "filter",
        (value, arguments, evaluator) ->
            value instanceof String name && Filters.find(name) != null);
    tests.put(
        "test",
        (value, arguments, evaluator) -> value instanceof String name && find(name) != null);
    compare(tests, Comparison.Operator.EQUAL, "eq", "==", "equalto");
    compare(tests, Comparison.Operator.NOT_EQUAL, "ne", "!=");
    compare(tests, Comparison.Operator.LESS, "lt", "<", "lessthan");
    compare(tests, Comparison.Operator.LESS_OR_EQUAL, "le", "<=");
    compare(tests, Comparison.Operator.GREATER, "gt", ">", "greaterthan");
    compare(tests, Comparison.Operator.GREATER_OR_EQUAL, "ge", ">=");
    compare(tests, Comparison.Operator.IN, "in");
    return Map.copyOf(tests);
  }

  private static void compare(
      Map<String, Test> tests, Comparison.Operator operator, String... names) {
    for (String name : names) {
      tests.put(
          name,
          (value, arguments, evaluator) ->
              Comparison.test(operator, value, only(name, arguments), evaluator.budget()));
    }
  }

  private static Object only(String test, Arguments arguments) {
    return arguments.bind(test, 1, "other").get(0);
  }

  private static double rest(Object value, Object divisor, Evaluator evaluator) {
    Object rest = Numbers.binary(Numbers.Operator.MODULO, value, divisor, evaluator.budget());
    return Values.isNumber(rest) ? Numbers.real(rest) : Double.NaN;
  }

  private static boolean isSequence(Object value) {
    return value instanceof Sequence
        || Values.isText(value)
        || value instanceof DictValue
        || value instanceof RangeValue
        || value instanceof Undefined;
  }

  /** Python's {@code is}: small values of one type are one object, others are themselves only. */
  @SuppressWarnings("ReferenceEquality") // That is the question.
  private static boolean isSame(Object value, Object other) {
    return switch (value) {
      case Boolean bool -> bool.equals(other);
      case Long integer -> integer.equals(other);
      case String text -> text.equals(other);
      default -> value == other;
    };
  }
}
