package dev.weir.engine.text.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which methods each type has, and what the few of lists, tuples, dicts and numbers do. Python's
 * methods that would change a value are known by name only, to say that they are forbidden.
 */
final class Methods {

  private static final Set<String> LIST = Set.of("count", "index", "copy");
  private static final Set<String> TUPLE = Set.of("count", "index");
  private static final Set<String> DICT = Set.of("get", "items", "keys", "values", "copy");
  private static final Set<String> NUMBER = Set.of("is_integer", "bit_length");
  private static final Set<String> LIST_MUTATORS =
      Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
  private static final Set<String> DICT_MUTATORS =
      Set.of("clear", "pop", "popitem", "setdefault", "update");

  private Methods() {}

  /** A method with the value it belongs to. */
  private record Bound(Object self, String name) implements Callable {
    @Override
    public Object call(Arguments arguments, Evaluator evaluator) {
      return switch (self) {
        case String text -> StringMethods.call(text, name, arguments, evaluator);
        case Markup markup -> onMarkup(markup, name, arguments, evaluator);
        case Sequence sequence -> onSequence(sequence, name, arguments, evaluator.budget());
        case DictValue dict -> onDict(dict, name, arguments, evaluator.budget());
        default -> onNumber(self, name, arguments);
      };
    }
  }

  /** The method {@code name} of {@code self}, what stands for a forbidden one, or null. */
  static @Nullable Object find(Object self, String name) {
    return switch (self) {
      case String text -> StringMethods.NAMES.contains(name) ? new Bound(self, name) : null;
      case DictValue dict -> find(self, name, DICT, DICT_MUTATORS);
      case Markup markup -> StringMethods.NAMES.contains(name) ? new Bound(self, name) : null;
      case ListValue list -> find(self, name, LIST, LIST_MUTATORS);
      case TupleValue tuple -> find(self, name, TUPLE, Set.of());
      default -> Values.isNumber(self) ? find(self, name, NUMBER, Set.of()) : null;
    };
  }

  private static @Nullable Object find(
      Object self, String name, Set<String> allowed, Set<String> forbidden) {
    if (allowed.contains(name)) {
      return new Bound(self, name);
    }
    return forbidden.contains(name) ? Undefined.unsafe(self, name) : null;
  }

  private static Object onDict(DictValue dict, String name, Arguments arguments, Budget budget) {
    Arguments.Bound bound =
        name.equals("get")
            ? arguments.bindPositional(name, 1, "key", "default")
            : arguments.bindPositional(name, 0);
    return switch (name) {
      case "get" -> {
        Object value = dict.get(bound.get(0), budget);
        yield value == null ? bound.get(1) : value;
      }
      case "items" -> new DictView(dict, DictView.Part.ITEMS);
      case "keys" -> new DictView(dict, DictView.Part.KEYS);
      case "values" -> new DictView(dict, DictView.Part.VALUES);
      case "copy" -> dict;
      default -> throw new AssertionError(name);
    };
  }

  private static Object onSequence(
      Sequence sequence, String name, Arguments arguments, Budget budget) {
    if (name.equals("copy")) {
      arguments.bindPositional(name, 0);
      return sequence;
    }
    Object wanted = arguments.bindPositional(name, 1, "value").get(0);
    long count = 0;
    for (int i = 0; i < sequence.items().size(); i++) {
      budget.charge(1);
      if (Comparison.equal(sequence.items().get(i), wanted, budget)) {
        if (name.equals("index")) {
          return (long) i;
        }
        count++;
      }
    }
    if (name.equals("index")) {
      throw PythonError.value(PythonText.repr(wanted, budget) + " is not in list");
    }
    return count;
  }

  private static Object onNumber(Object number, String name, Arguments arguments) {
    arguments.bindPositional(name, 0);
    if (name.equals("bit_length") && Values.isInteger(number)) {
      return (long) Numbers.big(number).abs().bitLength();
    }
    if (name.equals("is_integer") && number instanceof Double real) {
      return real == Math.rint(real) && !Double.isInfinite(real);
    }
    throw PythonError.type("'" + Values.typeName(number) + "' object has no method '" + name + "'");
  }

  /** As of plain text, but the arguments that get into the result are escaped, and it is markup. */
  private static Object onMarkup(
      Markup self, String name, Arguments arguments, Evaluator evaluator) {
    Arguments escaped =
        switch (name) {
          case "replace" -> escape(arguments, 1, evaluator);
          case "join" -> escapeItems(arguments, evaluator);
          case "format" -> escape(arguments, 0, evaluator);
          default -> arguments;
        };
    return asMarkup(StringMethods.call(self.text(), name, escaped, evaluator));
  }

  private static Object asMarkup(Object result) {
    return switch (result) {
      case String text -> new Markup(text);
      case Sequence sequence -> {
        List<Object> items = new ArrayList<>();
        for (Object item : sequence.items()) {
          items.add(asMarkup(item));
        }
        yield sequence.with(items);
      }
      default -> result;
    };
  }

  private static Arguments escape(Arguments arguments, int from, Evaluator evaluator) {
    List<Object> positional = new ArrayList<>(arguments.positional());
    for (int i = from; i < positional.size(); i++) {
      positional.set(i, escapeText(positional.get(i), evaluator));
    }
    Map<String, Object> named = new LinkedHashMap<>(arguments.named());
    named.replaceAll((key, value) -> escapeText(value, evaluator));
    return new Arguments(positional, named);
  }

  private static Arguments escapeItems(Arguments arguments, Evaluator evaluator) {
    Object items = arguments.bindPositional("join", 1, "iterable").get(0);
    List<Object> escaped = new ArrayList<>();
    for (Object item : Values.toList(items, evaluator.budget())) {
      escaped.add(Markup.escape(item, evaluator.budget()));
    }
    return new Arguments(List.of(new ListValue(escaped)), Map.of());
  }

  private static Object escapeText(Object value, Evaluator evaluator) {
    return value instanceof String ? Markup.escape(value, evaluator.budget()) : value;
  }

  /** A dict as named arguments; its keys must be text. */
  static Map<String, Object> toNamed(DictValue dict) {
    Map<String, Object> named = new LinkedHashMap<>();
    for (DictValue.Entry entry : dict.entries()) {
      if (!Values.isText(entry.key())) {
        throw PythonError.type("keywords must be strings");
      }
      named.put(Values.text(entry.key()), entry.value());
    }
    return named;
  }
}
