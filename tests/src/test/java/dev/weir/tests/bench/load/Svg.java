package dev.weir.tests.bench.load;

import java.util.Locale;

/** A drawing in SVG: what the pictures of this package need, in whole tenths of a pixel. */
final class Svg {
  private final StringBuilder out = new StringBuilder();

  Svg(int width, int height) {
    add(
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d'"
            + " font-family='sans-serif' font-size='12'>",
        width, height, width, height);
    add("<rect width='100%%' height='100%%' fill='white'/>");
  }

  Svg box(double x, double y, double width, double height, String fill) {
    return add(
        "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/>",
        x, y, width, height, fill);
  }

  Svg rule(double x, double y, double toX) {
    return add("<path d='M%.1f %.1fH%.1f' stroke='#ddd'/>", x, y, toX);
  }

  Svg dot(double x, double y, String fill) {
    return add("<circle cx='%.1f' cy='%.1f' r='2' fill='%s'/>", x, y, fill);
  }

  Svg text(double x, double y, String style, String text) {
    return add("<text x='%.1f' y='%.1f' %s>%s</text>", x, y, style, escaped(text));
  }

  Svg curve(Curve curve, String colour) {
    return add("<path d='%s' fill='none' stroke='%s' stroke-width='1.8'/>", curve.path, colour);
  }

  /** A line from point to point. */
  static final class Curve {
    private final StringBuilder path = new StringBuilder();

    void to(double x, double y) {
      path.append(String.format(Locale.ROOT, "%s%.1f %.1f", path.isEmpty() ? "M" : "L", x, y));
    }
  }

  @SuppressWarnings("AnnotateFormatMethod") // its annotation is no dependency of ours
  private Svg add(String format, Object... values) {
    out.append(String.format(Locale.ROOT, format, values)).append('\n');
    return this;
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;");
  }

  @Override
  public String toString() {
    return out + "</svg>\n";
  }
}
