package dev.weir.engine.text.jinja;

/**
 * Text that the template called safe. Nothing is escaped on output, yet joining such text to other
 * text with {@code +} escapes the other, and real templates do that with {@code |safe}.
 */
record Markup(String text) {

  static Markup escape(Object value, Budget budget) {
    return value instanceof Markup markup
        ? markup
        : new Markup(escapeText(PythonText.str(value, budget), budget));
  }

  private static String escapeText(String text, Budget budget) {
    budget.chargeText(text.length());
    StringBuilder out = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> out.append("&amp;");
        case '<' -> out.append("&lt;");
        case '>' -> out.append("&gt;");
        case '"' -> out.append("&#34;");
        case '\'' -> out.append("&#39;");
        default -> out.append(c);
      }
    }
    budget.chargeText(out.length());
    return out.toString();
  }
}
