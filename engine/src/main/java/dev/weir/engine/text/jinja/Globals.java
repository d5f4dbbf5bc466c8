package dev.weir.engine.text.jinja;

import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions that every template can call, unless a variable of the same name hides them. */
final class Globals {

  private static final Map<String, Builtin> ALL =
      Map.of(
          "range", new Builtin("range", (arguments, evaluator) -> range(arguments)),
          "dict", new Builtin("dict", Globals::dict),
          "namespace", new Builtin("namespace", Globals::namespace),
          "raise_exception", new Builtin("raise_exception", Globals::raise),
          "strftime_now", new Builtin("strftime_now", Globals::now));

  private Globals() {}

  static @Nullable Object find(String name) {
    return ALL.get(name);
  }

  private static Object range(Arguments arguments) {
    Arguments.Bound bound = arguments.bindPositional("range", 1, "start", "stop", "step");
    long first = bound.integer(0, 0);
    return bound.has(1)
        ? RangeValue.of(first, bound.integer(1, 0), bound.integer(2, 1))
        : RangeValue.of(0, first, 1);
  }

  private static DictValue dict(Arguments arguments, Evaluator evaluator) {
    DictValue dict = new DictValue();
    if (!arguments.positional().isEmpty()) {
      Object source =
          new Arguments(arguments.positional(), Map.of()).bind("dict", 0, "mapping").get(0);
      if (source instanceof DictValue other) {
        dict.putAll(other);
      } else {
        for (Object pair : Values.toList(source, evaluator.budget())) {
          List<Object> items = Values.toList(pair, evaluator.budget());
          if (items.size() != 2) {
            throw PythonError.value(
                "dictionary update sequence element has length "
                    + items.size()
                    + "; 2 is required");
          }
          dict.put(items.get(0), items.get(1), evaluator.budget());
        }
      }
    }
    arguments.named().forEach(dict::put);
    return dict;
  }

  private static Object namespace(Arguments arguments, Evaluator evaluator) {
    Namespace namespace = new Namespace();
    namespace.attributes().putAll(Methods.toNamed(dict(arguments, evaluator)));
    return namespace;
  }

  private static Object raise(Arguments arguments, Evaluator evaluator) {
    Object message = arguments.bind("raise_exception", 1, "message").get(0);
    throw new TemplateRaisedException(PythonText.str(message, evaluator.budget()));
  }

  private static Object now(Arguments arguments, Evaluator evaluator) {
    String format = arguments.bind("strftime_now", 1, "format").text(0);
    return TimeFormat.format(format, ZonedDateTime.now(evaluator.clock()), evaluator.budget());
  }
}
