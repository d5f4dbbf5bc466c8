package dev.weir.tests.bench.load;

import java.util.List;
import java.util.Locale;

/** Tokens per second of a stream over time, one curve per server or policy, as SVG. */
final class StormPicture {
  private static final int WIDTH = 960;
  private static final int PANEL = 150;
  private static final int LEFT = 70;
  private static final int RIGHT = 20;
  private static final int TOP = 34;
  private static final int BOTTOM = 26;

  /** Points of one curve: more than a reader can tell apart. */
  private static final int POINTS = 400;

  /** A rate is taken over a window of so much of the picture, at least. */
  private static final int WINDOW_POINTS = 6;

  private static final String[] COLOURS = {"#1f6f8b", "#c0504d", "#8a6d3b", "#5b7f3a", "#6b5b95"};

  private StormPicture() {}

  /** One curve. */
  record Curve(String label, StormRun run) {}

  /** Panels below each other, with one scale of time and of rates. */
  static String svg(List<Curve> curves) {
    double seconds =
        curves.stream().mapToDouble(c -> (c.run().end() - c.run().begin()) / 1e9).max().orElse(1);
    double top = curves.stream().mapToDouble(c -> 1.4 * c.run().before()).max().orElse(1);
    StringBuilder svg = new StringBuilder();
    int height = curves.size() * (PANEL + TOP + BOTTOM);
    line(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d'"
            + " font-family='sans-serif' font-size='12'>",
        WIDTH,
        height,
        WIDTH,
        height);
    line(svg, "<rect width='100%%' height='100%%' fill='white'/>");
    for (int i = 0; i < curves.size(); i++) {
      int y = i * (PANEL + TOP + BOTTOM) + TOP;
      panel(svg, curves.get(i), COLOURS[i % COLOURS.length], y, seconds, top);
    }
    return svg.append("</svg>\n").toString();
  }

  private static void panel(
      StringBuilder svg, Curve curve, String colour, int y, double seconds, double top) {
    StormRun run = curve.run();
    double perSecond = (WIDTH - LEFT - RIGHT) / seconds;
    double sent = LEFT + (run.sent() - run.begin()) / 1e9 * perSecond;
    double answered = LEFT + (run.answered() - run.begin()) / 1e9 * perSecond;
    line(
        svg,
        "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='#f3e9d2'/>",
        sent,
        y,
        answered - sent,
        PANEL);
    line(
        svg,
        "<text x='%d' y='%d' font-weight='bold' fill='%s'>%s</text>",
        LEFT,
        y - 12,
        colour,
        escaped(curve.label()));
    line(
        svg,
        "<text x='%d' y='%d' text-anchor='end'>%.0f %% kept, worst gap %.1f × the median, prompt"
            + " of %,d tokens in %.1f s</text>",
        WIDTH - RIGHT,
        y - 12,
        100 * run.kept(),
        run.worstGap(),
        run.promptTokens(),
        run.promptSeconds());
    for (double share : new double[] {0, 0.5, 1}) {
      double at = y + PANEL * (1 - share);
      line(svg, "<path d='M%d %.1fH%d' stroke='#ddd'/>", LEFT, at, WIDTH - RIGHT);
      line(
          svg,
          "<text x='%d' y='%.1f' text-anchor='end' fill='#555'>%.0f</text>",
          LEFT - 6,
          at + 4,
          share * top);
    }
    StringBuilder path = new StringBuilder();
    double step = seconds / POINTS;
    for (int point = 0; point <= POINTS; point++) {
      double at = point * step;
      long from = run.begin() + (long) ((at - WINDOW_POINTS * step / 2) * 1e9);
      long to = run.begin() + (long) ((at + WINDOW_POINTS * step / 2) * 1e9);
      if (from < run.begin() || to > run.end()) {
        continue;
      }
      double rate = Math.min(top, run.rate(from, to));
      path.append(
          String.format(
              Locale.ROOT,
              "%s%.1f %.1f",
              path.isEmpty() ? "M" : "L",
              LEFT + at * perSecond,
              y + PANEL * (1 - rate / top)));
    }
    line(svg, "<path d='%s' fill='none' stroke='%s' stroke-width='1.8'/>", path, colour);
    line(
        svg,
        "<text x='%d' y='%d' fill='#555'>0 s; tokens per second of all streams; shaded: the long"
            + " prompt waits for its first token</text>",
        LEFT,
        y + PANEL + 16);
    line(
        svg,
        "<text x='%d' y='%d' text-anchor='end' fill='#555'>%.0f s</text>",
        WIDTH - RIGHT,
        y + PANEL + 16,
        seconds);
  }

  @SuppressWarnings("AnnotateFormatMethod") // its annotation is no dependency of ours
  private static void line(StringBuilder svg, String format, Object... values) {
    svg.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;");
  }
}
