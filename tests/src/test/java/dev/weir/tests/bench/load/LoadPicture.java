package dev.weir.tests.bench.load;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A workload over time, as SVG: tokens per second of all requests together, and below it every
 * request as a bar, light while it waits for its first token, dark while it streams.
 */
final class LoadPicture {
  private static final int WIDTH = 960;
  private static final int PANEL = 130;
  private static final int LEFT = 60;
  private static final int RIGHT = 20;
  private static final int TOP = 34;
  private static final int BOTTOM = 28;
  private static final int ALL_BARS = 320;
  private static final int THICKEST_BAR = 10;

  /** Points of the curve, and how many of them a rate is taken over. */
  private static final int POINTS = 240;

  private static final int WINDOW_POINTS = 4;

  /** More bars than a reader can tell apart are not drawn. */
  private static final int MOST_BARS = 320;

  private static final double NANOS = 1e9;
  private static final String GREY = "fill='#555'";
  private static final String COLOUR = "#1f6f8b";
  private static final String WAITING = "#f3dfb0";
  private static final String FAILED = "#c0504d";

  private LoadPicture() {}

  static String svg(String label, LoadResult result) {
    List<Outcome> bars = result.outcomes().stream().limit(MOST_BARS).toList();
    double thick = Math.min(THICKEST_BAR, (double) ALL_BARS / Math.max(1, bars.size()));
    int height = TOP + PANEL + BOTTOM + (int) Math.ceil(bars.size() * thick) + BOTTOM;
    Svg svg = new Svg(WIDTH, height);
    svg.text(LEFT, TOP - 12, "font-weight='bold' fill='" + COLOUR + "'", label);
    rates(svg, result);
    double y = TOP + PANEL + BOTTOM;
    for (Outcome one : bars) {
      bar(svg, result, one, y, thick);
      y += thick;
    }
    String end = String.format(Locale.ROOT, "%.1f s", result.seconds());
    svg.text(LEFT, y + 15, GREY, "each request: light until its first token; red: failed");
    svg.text(WIDTH - RIGHT, y + 15, GREY + " text-anchor='end'", end);
    return svg.toString();
  }

  private static void rates(Svg svg, LoadResult result) {
    double step = result.seconds() / POINTS;
    double[] rates = new double[POINTS + 1];
    for (int i = 0; i <= POINTS; i++) {
      double window = WINDOW_POINTS * step;
      rates[i] = pieces(result, i * step - window / 2, i * step + window / 2) / window;
    }
    double most = Math.max(Double.MIN_NORMAL, Arrays.stream(rates).max().orElse(1));
    for (double share : new double[] {0, 0.5, 1}) {
      double at = TOP + PANEL * (1 - share);
      svg.rule(LEFT, at, WIDTH - RIGHT);
      String number = String.format(Locale.ROOT, "%.0f", share * most);
      svg.text(LEFT - 6, at + 4, GREY + " text-anchor='end'", number);
    }
    Svg.Curve curve = new Svg.Curve();
    for (int i = 0; i <= POINTS; i++) {
      curve.to(x(result, i * step), TOP + PANEL * (1 - rates[i] / most));
    }
    svg.curve(curve, COLOUR);
    svg.text(LEFT, TOP + PANEL + 15, GREY, "pieces (tokens) per second of all requests");
  }

  private static double pieces(LoadResult result, double from, double to) {
    long first = result.start() + (long) (from * NANOS);
    long last = result.start() + (long) (to * NANOS);
    return result.outcomes().stream()
        .flatMapToLong(one -> Arrays.stream(one.arrivals()))
        .filter(at -> at >= first && at < last)
        .count();
  }

  private static void bar(Svg svg, LoadResult result, Outcome one, double y, double thick) {
    double due = x(result, second(result, one.due()));
    double end = x(result, second(result, one.end()));
    double first = one.arrivals().length == 0 ? end : x(result, second(result, one.arrivals()[0]));
    boolean failed = !one.succeeded();
    svg.box(due, y, Math.max(1, first - due), 0.8 * thick, failed ? FAILED : WAITING);
    svg.box(first, y, end - first, 0.8 * thick, failed ? FAILED : COLOUR);
  }

  private static double second(LoadResult result, long nanos) {
    return (nanos - result.start()) / NANOS;
  }

  private static double x(LoadResult result, double second) {
    double whole = Math.max(Double.MIN_NORMAL, result.seconds());
    return LEFT + Math.clamp(second / whole, 0, 1) * (WIDTH - LEFT - RIGHT);
  }
}
