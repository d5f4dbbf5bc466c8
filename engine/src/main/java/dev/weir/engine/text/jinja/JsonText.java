package dev.weir.engine.text.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Writes JSON exactly as Python's {@code json.dumps} does. One writer writes one value. */
final class JsonText {

  /**
   * The options of {@code json.dumps}.
   *
   * @param indent what one level is indented by; null for a single line
   */
  record Options(
      boolean ensureAscii,
      @Nullable String indent,
      String itemSeparator,
      String keySeparator,
      boolean sortKeys) {}

  private final Options options;
  private final Budget budget;
  private final StringBuilder out = new StringBuilder();
  private int level;

  private JsonText(Options options, Budget budget) {
    this.options = options;
    this.budget = budget;
  }

  static String write(Object value, Options options, Budget budget) {
    JsonText writer = new JsonText(options, budget);
    writer.value(value);
    return writer.out.toString();
  }

  private void value(Object value) {
    budget.enter();
    switch (value) {
      case String text -> string(text);
      case Markup markup -> string(markup.text());
      case None none -> out.append("null");
      case Boolean bool -> out.append(bool ? "true" : "false");
      case Double real -> out.append(real(real));
      case Sequence sequence -> array(sequence.items());
      case DictValue dict -> object(dict);
      default -> {
        if (!Values.isNumber(value)) {
          throw PythonError.type(
              "Object of type " + Values.typeName(value) + " is not JSON serializable");
        }
        out.append(PythonText.number(value));
      }
    }
    budget.leave();
  }

  private static String real(double value) {
    if (Double.isNaN(value)) {
      return "NaN";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "Infinity" : "-Infinity";
    }
    return PythonText.real(value);
  }

  private void array(List<Object> items) {
    if (items.isEmpty()) {
      out.append("[]");
      return;
    }
    out.append('[');
    level++;
    boolean first = true;
    for (Object item : items) {
      separate(first);
      first = false;
      value(item);
    }
    close(']');
  }

  private void object(DictValue dict) {
    if (dict.size() == 0) {
      out.append("{}");
      return;
    }
    out.append('{');
    level++;
    List<DictValue.Entry> entries = new ArrayList<>(dict.entries());
    if (options.sortKeys()) {
      entries.sort((a, b) -> Comparison.order(a.key(), b.key(), budget));
    }
    boolean first = true;
    for (DictValue.Entry entry : entries) {
      separate(first);
      first = false;
      string(key(entry.key()));
      out.append(options.keySeparator());
      value(entry.value());
    }
    close('}');
  }

  private static String key(Object key) {
    return switch (key) {
      case String text -> text;
      case Markup markup -> markup.text();
      case None none -> "null";
      case Boolean bool -> bool ? "true" : "false";
      case Double real -> real(real);
      default -> {
        if (!Values.isNumber(key)) {
          throw PythonError.type(
              "keys must be str, int, float, bool or None, not " + Values.typeName(key));
        }
        yield PythonText.number(key);
      }
    };
  }

  private void separate(boolean first) {
    if (!first) {
      out.append(options.itemSeparator());
    }
    newLine();
  }

  private void close(char bracket) {
    level--;
    newLine();
    out.append(bracket);
  }

  private void newLine() {
    String indent = options.indent();
    if (indent != null) {
      long spaces = (long) level * indent.length();
      budget.chargeAppend(out.length() + spaces, spaces);
      out.append('\n').repeat(indent, level);
    }
  }

  private void string(String text) {
    budget.chargeAppend((long) out.length() + text.length(), text.length());
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\f' -> out.append("\\f");
        case '\b' -> out.append("\\b");
        default -> {
          if (c < ' ' || (c > '~' && options.ensureAscii())) {
            out.append("\\u");
            PythonText.hex(out, c, 4);
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
