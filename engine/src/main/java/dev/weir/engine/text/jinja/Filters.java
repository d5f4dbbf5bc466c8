package dev.weir.engine.text.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The filters of the language by name, and those of them that work on text and numbers. */
final class Filters {

  private static final Map<String, Filter> ALL = all();

  /** What jinja2's {@code truncate} lets a text be longer by. */
  private static final long TRUNCATE_LEEWAY = 5;

  private static final long TRUNCATE_LENGTH = 255;
  private static final long INDENT_WIDTH = 4;
  private static final long CENTER_WIDTH = 80;

  private Filters() {}

  static @Nullable Filter find(String name) {
    return ALL.get(name);
  }

  private static Map<String, Filter> all() {
    Map<String, Filter> filters = new HashMap<>(SequenceFilters.all());
    filters.put("default", Filters::defaultValue);
    filters.put("d", Filters::defaultValue);
    filters.put("tojson", Filters::toJson);
    filters.put("string", (value, arguments, evaluator) -> string(value, arguments, evaluator));
    filters.put("safe", Filters::safe);
    filters.put("escape", Filters::escape);
    filters.put("e", Filters::escape);
    filters.put("forceescape", Filters::forceEscape);
    filters.put("trim", Filters::trim);
    filters.put("upper", (value, arguments, evaluator) -> upper(value, arguments, evaluator));
    filters.put("lower", (value, arguments, evaluator) -> lower(value, arguments, evaluator));
    filters.put("capitalize", Filters::capitalize);
    filters.put("title", Filters::title);
    filters.put("replace", Filters::replace);
    filters.put("indent", Filters::indent);
    filters.put("truncate", Filters::truncate);
    filters.put("center", Filters::center);
    filters.put("wordcount", Filters::wordCount);
    filters.put("format", Filters::format);
    filters.put("int", Filters::integer);
    filters.put("float", Filters::real);
    filters.put("abs", Filters::absolute);
    filters.put("round", Filters::round);
    filters.put("attr", Filters::attribute);
    return Map.copyOf(filters);
  }

  private static String text(Object value, Evaluator evaluator) {
    String text = PythonText.str(value, evaluator.budget());
    evaluator.budget().chargeText(text.length());
    return text;
  }

  /** The text as markup if what it was made from is. */
  private static Object like(Object original, String text) {
    return original instanceof Markup ? new Markup(text) : text;
  }

  private static Object defaultValue(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("default", 0, "default_value", "boolean");
    boolean missing = value instanceof Undefined || (bound.flag(1, false) && !Values.truth(value));
    return missing ? bound.or(0, "") : value;
  }

  private static Object toJson(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound =
        arguments.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
    String indent = indentation(bound);
    String itemSeparator = indent == null ? ", " : ",";
    String keySeparator = ": ";
    if (!bound.isNone(2)) {
      List<Object> separators = Values.toList(bound.get(2), evaluator.budget());
      boolean valid =
          separators.size() == 2
              && Values.isText(separators.get(0))
              && Values.isText(separators.get(1));
      if (!valid) {
        throw PythonError.value("tojson(): separators must be two strings");
      }
      itemSeparator = Values.text(separators.get(0));
      keySeparator = Values.text(separators.get(1));
    }
    JsonText.Options options =
        new JsonText.Options(
            bound.flag(0, false), indent, itemSeparator, keySeparator, bound.flag(3, false));
    return JsonText.write(value, options, evaluator.budget());
  }

  private static @Nullable String indentation(Arguments.Bound bound) {
    if (bound.isNone(1)) {
      return null;
    }
    if (Values.isText(bound.get(1))) {
      return bound.text(1);
    }
    long width = bound.integer(1, 0);
    if (width > TRUNCATE_LENGTH) {
      throw PythonError.value("tojson(): an indent of more than " + TRUNCATE_LENGTH);
    }
    return " ".repeat((int) Math.max(0, width));
  }

  private static Object string(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("string", 0);
    return value instanceof Markup ? value : PythonText.str(value, evaluator.budget());
  }

  private static Object safe(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("safe", 0);
    return value instanceof Markup ? value : new Markup(PythonText.str(value, evaluator.budget()));
  }

  private static Object escape(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("escape", 0);
    return Markup.escape(value, evaluator.budget());
  }

  private static Object forceEscape(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("forceescape", 0);
    return Markup.escape(PythonText.str(value, evaluator.budget()), evaluator.budget());
  }

  private static Object trim(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("trim", 0, "chars");
    String characters = bound.isNone(0) ? null : bound.text(0);
    return like(value, StringMethods.strip(text(value, evaluator), characters, true, true));
  }

  private static Object upper(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("upper", 0);
    return like(value, text(value, evaluator).toUpperCase(Locale.ROOT));
  }

  private static Object lower(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("lower", 0);
    return like(value, text(value, evaluator).toLowerCase(Locale.ROOT));
  }

  private static Object capitalize(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("capitalize", 0);
    return like(value, StringMethods.capitalize(text(value, evaluator)));
  }

  /** Unlike the method of the same name, words begin only after blanks, hyphens and brackets. */
  private static Object title(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("title", 0);
    String text = text(value, evaluator);
    StringBuilder out = new StringBuilder(text.length());
    boolean first = true;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      boolean separates = PythonText.isSpace(c) || "-({[<".indexOf(c) >= 0;
      String one = Character.toString(c);
      out.append(first ? one.toUpperCase(Locale.ROOT) : one.toLowerCase(Locale.ROOT));
      first = separates;
    }
    return out.toString();
  }

  private static Object replace(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("replace", 2, "old", "new", "count");
    long count = bound.isNone(2) ? -1 : bound.integer(2, -1);
    return StringMethods.replace(
        text(value, evaluator),
        text(bound.get(0), evaluator),
        text(bound.get(1), evaluator),
        count,
        evaluator.budget());
  }

  private static Object indent(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("indent", 0, "width", "first", "blank");
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!Values.isText(value)) {
      throw PythonError.type("can only indent str, not " + Values.typeName(value));
    }
    Budget budget = evaluator.budget();
    String indent;
    if (Values.isText(bound.get(0))) {
      indent = bound.text(0);
    } else {
      long width = Math.max(0, bound.integer(0, INDENT_WIDTH));
      budget.chargeText(width);
      indent = " ".repeat((int) width);
    }
    boolean blank = bound.flag(2, false);
    StringBuilder out = new StringBuilder(bound.flag(1, false) ? indent : "");
    // With one line feed more, so that a text that ends in one has an empty last line.
    List<String> lines = StringMethods.splitLines(Values.text(value) + "\n", false, budget);
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      String prefix = i == 0 ? "" : blank || !line.isEmpty() ? "\n" + indent : "\n";
      int added = prefix.length() + line.length();
      budget.chargeAppend((long) out.length() + added, added);
      out.append(prefix).append(line);
    }
    return like(value, out.toString());
  }

  private static Object truncate(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("truncate", 0, "length", "killwords", "end", "leeway");
    if (Values.length(value) == 0 && !Values.isText(value)) {
      return value;
    }
    String text = text(value, evaluator);
    String end = bound.has(2) ? bound.text(2) : "...";
    long length = bound.integer(0, TRUNCATE_LENGTH);
    long leeway = bound.isNone(3) ? TRUNCATE_LEEWAY : bound.integer(3, TRUNCATE_LEEWAY);
    long endLength = end.codePointCount(0, end.length());
    if (length < endLength || leeway < 0) {
      throw PythonError.value("truncate(): the length is less than that of the end mark");
    }
    if (text.codePointCount(0, text.length()) <= length + leeway) {
      return value;
    }
    String cut = text.substring(0, text.offsetByCodePoints(0, (int) (length - endLength)));
    if (bound.flag(1, false)) {
      return cut + end;
    }
    int space = cut.lastIndexOf(' ');
    return (space < 0 ? cut : cut.substring(0, space)) + end;
  }

  private static Object center(Object value, Arguments arguments, Evaluator evaluator) {
    long width = arguments.bind("center", 0, "width").integer(0, CENTER_WIDTH);
    return like(value, StringMethods.center(text(value, evaluator), width, evaluator.budget()));
  }

  private static Object wordCount(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("wordcount", 0);
    String text = text(value, evaluator);
    long count = 0;
    boolean inWord = false;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      boolean isWord = Character.isLetterOrDigit(c) || c == '_';
      count += isWord && !inWord ? 1 : 0;
      inWord = isWord;
    }
    return count;
  }

  private static Object format(Object value, Arguments arguments, Evaluator evaluator) {
    if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
      throw PythonError.filterArgument(
          "can't handle positional and keyword arguments at the same time");
    }
    Object filling = TupleValue.of(arguments.positional());
    if (!arguments.named().isEmpty()) {
      DictValue named = new DictValue();
      arguments.named().forEach(named::put);
      filling = named;
    }
    Object template = Values.isText(value) ? value : text(value, evaluator);
    return StringFormat.percent(template, filling, evaluator.budget());
  }

  private static Object integer(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("int", 0, "default", "base");
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    Object fallback = bound.or(0, 0L);
    if (Values.isText(value)) {
      String text = text(value, evaluator);
      Object read = Numbers.parseInteger(text, Math.clamp(bound.integer(1, 10), -1, 99));
      if (read != null) {
        return read;
      }
      // The quirk by which "42.23"|int is 42.
      Double real = Numbers.parseReal(text);
      return real == null || real.isNaN() || real.isInfinite() ? fallback : Numbers.truncate(real);
    }
    if (value instanceof Double real) {
      return real.isNaN() || real.isInfinite() ? fallback : Numbers.truncate(real);
    }
    return Values.isInteger(value) ? Numbers.normal(Numbers.big(value)) : fallback;
  }

  private static Object real(Object value, Arguments arguments, Evaluator evaluator) {
    Object fallback = arguments.bind("float", 0, "default").or(0, 0.0);
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (Values.isNumber(value)) {
      return Numbers.real(value);
    }
    Double read = Values.isText(value) ? Numbers.parseReal(text(value, evaluator)) : null;
    return read == null ? fallback : read;
  }

  private static Object absolute(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("abs", 0);
    if (!Values.isNumber(value)) {
      throw PythonError.type("bad operand type for abs(): '" + Values.typeName(value) + "'");
    }
    return value instanceof Double real
        ? (Object) Math.abs(real)
        : Numbers.normal(Numbers.big(value).abs());
  }

  private static Object round(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("round", 0, "precision", "method");
    int digits = Math.clamp(bound.integer(0, 0), -400, 400);
    String method = bound.has(1) ? bound.text(1) : "common";
    if (!Values.isNumber(value)) {
      throw PythonError.type("type " + Values.typeName(value) + " doesn't define __round__ method");
    }
    return switch (method) {
      case "common" -> {
        if (value instanceof Double real) {
          yield Numbers.round(real, digits);
        }
        yield digits >= 0
            ? Numbers.normal(Numbers.big(value))
            : Numbers.ofDouble(Numbers.round(Numbers.real(value), digits));
      }
      case "ceil", "floor" -> {
        double scale = Math.pow(10, digits);
        double scaled = Numbers.real(value) * scale;
        yield (method.equals("ceil") ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
      }
      default -> throw PythonError.filterArgument("method must be common, ceil or floor");
    };
  }

  private static Object attribute(Object value, Arguments arguments, Evaluator evaluator) {
    String name = arguments.bind("attr", 1, "name").text(0);
    // Unlike value.name, never a key of a dict.
    Object method = value instanceof DictValue ? Methods.find(value, name) : null;
    if (value instanceof DictValue) {
      return method == null ? Undefined.member(value, name) : method;
    }
    return evaluator.attribute(value, name);
  }
}
