package dev.weir.engine.text.jinja;

import java.util.List;
import java.util.Map;

/**
 * Python's two ways to fill text in: {@code '{}'.format(x)} and {@code '%s' % x}. Fields reach
 * attributes and items through the same sandbox as the template does.
 */
final class StringFormat {

  /** As Python: a field of a format specification may hold fields, but no deeper. */
  private static final int MAX_RECURSION = 2;

  private final List<Object> positional;
  private final Map<String, Object> named;
  private final Evaluator evaluator;
  private int nextAutomatic;
  private boolean manual;

  private StringFormat(List<Object> positional, Map<String, Object> named, Evaluator evaluator) {
    this.positional = positional;
    this.named = named;
    this.evaluator = evaluator;
  }

  /** {@code template.format(*positional, **named)}. */
  static String format(
      String template, List<Object> positional, Map<String, Object> named, Evaluator evaluator) {
    return new StringFormat(positional, named, evaluator).fill(template, MAX_RECURSION);
  }

  private String fill(String template, int recursion) {
    if (recursion == 0) {
      throw PythonError.value("Max string recursion exceeded");
    }
    StringBuilder out = new StringBuilder();
    int at = 0;
    while (at < template.length()) {
      char c = template.charAt(at);
      boolean doubled = at + 1 < template.length() && template.charAt(at + 1) == c;
      if ((c == '{' || c == '}') && doubled) {
        out.append(c);
        at += 2;
      } else if (c == '}') {
        throw PythonError.value("Single '}' encountered in format string");
      } else if (c == '{') {
        int end = fieldEnd(template, at);
        String text = field(template.substring(at + 1, end), recursion);
        evaluator.budget().chargeAppend((long) out.length() + text.length(), text.length());
        out.append(text);
        at = end + 1;
      } else {
        out.append(c);
        at++;
      }
    }
    return out.toString();
  }

  private static int fieldEnd(String template, int start) {
    int depth = 0;
    for (int at = start; at < template.length(); at++) {
      if (template.charAt(at) == '{') {
        depth++;
      } else if (template.charAt(at) == '}' && --depth == 0) {
        return at;
      }
    }
    throw PythonError.value("expected '}' before end of string");
  }

  private String field(String field, int recursion) {
    int nameEnd = 0;
    boolean inBrackets = false;
    while (nameEnd < field.length()) {
      char c = field.charAt(nameEnd);
      if (!inBrackets && (c == '!' || c == ':')) {
        break;
      }
      inBrackets = c == '[' || (inBrackets && c != ']');
      nameEnd++;
    }
    Object value = lookUp(field.substring(0, nameEnd));
    int at = nameEnd;
    if (at < field.length() && field.charAt(at) == '!') {
      if (at + 1 >= field.length() || (at + 2 < field.length() && field.charAt(at + 2) != ':')) {
        throw PythonError.value("expected ':' after conversion specifier");
      }
      value = convert(value, field.charAt(at + 1));
      at += 2;
    }
    String spec = at < field.length() ? field.substring(at + 1) : "";
    if (spec.indexOf('{') >= 0) {
      spec = fill(spec, recursion - 1);
    }
    Budget budget = evaluator.budget();
    return spec.isEmpty() || value instanceof Undefined
        ? PythonText.str(value, budget)
        : FormatSpec.parse(spec).format(value, budget);
  }

  private Object convert(Object value, char conversion) {
    return switch (conversion) {
      case 's' -> PythonText.str(value, evaluator.budget());
      case 'r', 'a' -> PythonText.repr(value, evaluator.budget());
      default -> throw PythonError.value("Unknown conversion specifier '" + conversion + "'");
    };
  }

  private Object lookUp(String path) {
    int at = 0;
    while (at < path.length() && path.charAt(at) != '.' && path.charAt(at) != '[') {
      at++;
    }
    Object value = argument(path.substring(0, at));
    while (at < path.length()) {
      int end;
      if (path.charAt(at) == '[') {
        end = path.indexOf(']', at);
        if (end < 0) {
          throw PythonError.value("Missing ']' in format string");
        }
        String key = path.substring(at + 1, end);
        Object number = isIndex(key) ? Numbers.parseInteger(key, 10) : null;
        value = evaluator.item(value, number == null ? key : number);
        end++;
      } else {
        end = at + 1;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
          end++;
        }
        value = evaluator.attribute(value, path.substring(at + 1, end));
      }
      at = end;
    }
    return value;
  }

  private Object argument(String name) {
    if (name.isEmpty() || isIndex(name)) {
      boolean automatic = name.isEmpty();
      if (automatic ? manual : nextAutomatic > 0) {
        throw PythonError.value(
            "cannot switch between manual field specification and automatic field numbering");
      }
      manual = !automatic;
      int index = automatic ? nextAutomatic++ : FormatSpec.integer(name, 0, name.length(), 0);
      if (index >= positional.size()) {
        throw PythonError.index("Replacement index " + index + " out of range");
      }
      return positional.get(index);
    }
    Object value = named.get(name);
    if (value == null) {
      throw PythonError.key("'" + name + "'");
    }
    return value;
  }

  private static boolean isIndex(String text) {
    return !text.isEmpty() && FormatSpec.digitsEnd(text, 0) == text.length();
  }

  /** {@code template % value}. */
  static Object percent(Object template, Object value, Budget budget) {
    boolean escape = template instanceof Markup;
    String filled = new Percent(Values.text(template), value, escape, budget).fill();
    return escape ? new Markup(filled) : filled;
  }

  /** One run of the {@code %} operator on text. */
  private static final class Percent {

    private final String template;
    private final Object value;
    private final List<Object> arguments;
    private final boolean escape;
    private final Budget budget;
    private int nextArgument;
    private int at;

    private Percent(String template, Object value, boolean escape, Budget budget) {
      this.template = template;
      this.value = value;
      this.arguments = value instanceof TupleValue tuple ? tuple.items() : List.of(value);
      this.escape = escape;
      this.budget = budget;
    }

    private String fill() {
      StringBuilder out = new StringBuilder();
      while (at < template.length()) {
        int next = template.indexOf('%', at);
        out.append(template, at, next < 0 ? template.length() : next);
        if (next < 0) {
          break;
        }
        at = next + 1;
        String text = conversion();
        budget.chargeAppend((long) out.length() + text.length(), text.length() + 8L);
        out.append(text);
      }
      boolean usedUp = nextArgument >= arguments.size() || value instanceof DictValue;
      if (!usedUp) {
        throw PythonError.type("not all arguments converted during string formatting");
      }
      return out.toString();
    }

    private char peek() {
      if (at >= template.length()) {
        throw PythonError.value("incomplete format");
      }
      return template.charAt(at);
    }

    private String conversion() {
      Object named = null;
      if (peek() == '(') {
        int end = template.indexOf(')', at);
        if (end < 0) {
          throw PythonError.value("incomplete format key");
        }
        if (!(value instanceof DictValue dict)) {
          throw PythonError.type("format requires a mapping");
        }
        String key = template.substring(at + 1, end);
        named = dict.get(key);
        if (named == null) {
          throw PythonError.key("'" + key + "'");
        }
        at = end + 1;
      }
      boolean left = false;
      boolean zero = false;
      boolean alternate = false;
      char sign = '-';
      for (; "-+ #0".indexOf(peek()) >= 0; at++) {
        switch (peek()) {
          case '-' -> left = true;
          case '0' -> zero = true;
          case '#' -> alternate = true;
          case '+' -> sign = '+';
          default -> sign = sign == '+' ? '+' : ' ';
        }
      }
      int width = size();
      int precision = -1;
      if (peek() == '.') {
        at++;
        precision = size();
      }
      char type = peek();
      at++;
      if (type == '%') {
        return "%";
      }
      Object argument = named == null ? nextArgument() : named;
      boolean isText = type == 's' || type == 'r' || type == 'a' || type == 'c';
      char align = left ? '<' : zero && !isText ? '=' : '>';
      FormatSpec spec =
          new FormatSpec(
              zero && !left && !isText ? "0" : " ",
              align,
              sign,
              alternate,
              width,
              (char) 0,
              precision,
              isText ? 's' : type == 'i' || type == 'u' ? 'd' : type);
      return convert(spec, type, argument);
    }

    private String convert(FormatSpec spec, char type, Object argument) {
      return switch (type) {
        case 's' -> spec.formatText(shown(argument), budget);
        case 'r', 'a' -> spec.formatText(PythonText.repr(argument, budget), budget);
        case 'c' ->
            spec.formatText(
                Values.isInteger(argument)
                    ? FormatSpec.character(Numbers.big(argument))
                    : Values.isText(argument) ? Values.text(argument) : notANumber(type, argument),
                budget);
        case 'd', 'i', 'u' -> integer(spec, requireNumber(type, argument));
        case 'x', 'X', 'o' -> {
          if (!Values.isInteger(argument)) {
            throw PythonError.type(notANumber(type, argument));
          }
          yield integer(spec, argument);
        }
        case 'e', 'E', 'f', 'F', 'g', 'G' ->
            spec.formatNumber(requireNumber(type, argument), budget);
        default -> throw PythonError.value("unsupported format character '" + type + "'");
      };
    }

    private String shown(Object argument) {
      return escape ? Markup.escape(argument, budget).text() : PythonText.str(argument, budget);
    }

    private String integer(FormatSpec spec, Object argument) {
      Object whole = argument instanceof Double real ? Numbers.truncate(real) : argument;
      FormatSpec plain =
          new FormatSpec(
              spec.fill(),
              spec.align(),
              spec.sign(),
              spec.alternate(),
              spec.width(),
              (char) 0,
              -1,
              spec.type());
      return plain.formatNumber(whole, budget);
    }

    private static Object requireNumber(char type, Object argument) {
      if (argument instanceof Undefined undefined) {
        throw undefined.error();
      }
      if (!Values.isNumber(argument)) {
        throw PythonError.type(notANumber(type, argument));
      }
      return argument;
    }

    private static String notANumber(char type, Object argument) {
      return "%" + type + " format: a real number is required, not " + Values.typeName(argument);
    }

    private int size() {
      if (peek() == '*') {
        at++;
        Object argument = nextArgument();
        if (argument instanceof Long width && width >= 0 && width < Integer.MAX_VALUE) {
          return width.intValue();
        }
        throw PythonError.type("* wants int");
      }
      int end = FormatSpec.digitsEnd(template, at);
      int size = FormatSpec.integer(template, at, end, 0);
      at = end;
      return size;
    }

    private Object nextArgument() {
      if (nextArgument >= arguments.size()) {
        throw PythonError.type("not enough arguments for format string");
      }
      return arguments.get(nextArgument++);
    }
  }
}
