package dev.weir.tests.bench.load;

import java.util.List;
import java.util.Locale;

/** Tokens per second of the median stream over time, one panel per server or policy, as SVG. */
final class StormPicture {
  private static final int WIDTH = 960;
  private static final int PANEL = 130;
  private static final int LEFT = 60;
  private static final int RIGHT = 20;
  private static final int TOP = 34;
  private static final int BOTTOM = 24;

  /** Points of one curve: more than a reader can tell apart. */
  private static final int POINTS = 240;

  /** A rate is taken over so many points' time … */
  private static final int WINDOW_POINTS = 4;

  /** … and over so many tokens' time at least, or it would show single steps. */
  private static final int WINDOW_TOKENS = 4;

  /** The rate before the storm is drawn at this share of the height. */
  private static final double HEADROOM = 1.3;

  private static final double NANOS = 1e9;
  private static final String GREY = "fill='#555'";
  private static final String RIGHT_ALIGNED = " text-anchor='end'";
  private static final String[] COLOURS = {"#1f6f8b", "#c0504d", "#8a6d3b", "#5b7f3a", "#6b5b95"};

  /** One scale of time, in seconds, and one of rates for all panels. */
  private record Scale(double seconds, double rate) {
    double x(double second) {
      return LEFT + second / seconds * (WIDTH - LEFT - RIGHT);
    }

    double height(double tokensPerSecond) {
      return PANEL * Math.min(1, tokensPerSecond / rate);
    }
  }

  private StormPicture() {}

  /** The runs' panels below each other, each with its series' label. */
  static String svg(List<StormSeries> all) {
    double seconds =
        all.stream().mapToDouble(one -> second(one.middle(), one.middle().end())).max().orElse(1);
    double rate = all.stream().mapToDouble(one -> one.middle().before()).max().orElse(1);
    Scale scale = new Scale(seconds, HEADROOM * rate);
    Svg svg = new Svg(WIDTH, all.size() * (PANEL + TOP + BOTTOM) + BOTTOM);
    for (int i = 0; i < all.size(); i++) {
      int y = i * (PANEL + TOP + BOTTOM) + TOP;
      panel(svg, all.get(i), COLOURS[i % COLOURS.length], y, scale);
    }
    int bottom = all.size() * (PANEL + TOP + BOTTOM) + 8;
    svg.text(
        LEFT,
        bottom,
        GREY,
        "tokens per second of the median stream; shaded: the long prompt waits for its first token");
    return svg.toString();
  }

  private static void panel(Svg svg, StormSeries series, String colour, int y, Scale scale) {
    StormRun run = series.middle();
    double sent = scale.x(second(run, run.sent()));
    svg.box(sent, y, scale.x(second(run, run.answered())) - sent, PANEL, "#f3e9d2");
    svg.text(LEFT, y - 10, "font-weight='bold' fill='" + colour + "'", series.label());
    svg.text(
        WIDTH - RIGHT,
        y - 10,
        GREY + RIGHT_ALIGNED,
        String.format(
            Locale.ROOT,
            "%.0f %% kept, worst gap %.1f × the median, prompt of %,d tokens in %.1f s",
            100 * run.kept(),
            run.worstGap(),
            run.promptTokens(),
            run.promptSeconds()));
    for (double share : new double[] {0, 0.5, 1}) {
      double at = y + PANEL - scale.height(share * run.before());
      String number = String.format(Locale.ROOT, "%.3g", share * run.before());
      svg.rule(LEFT, at, WIDTH - RIGHT);
      svg.text(LEFT - 6, at + 4, GREY + RIGHT_ALIGNED, share == 0 ? "0" : number);
    }
    svg.curve(curve(run, y, scale), colour);
    svg.text(LEFT, y + PANEL + 15, GREY, "0 s");
    String end = String.format(Locale.ROOT, "%.1f s", scale.seconds());
    svg.text(WIDTH - RIGHT, y + PANEL + 15, GREY + RIGHT_ALIGNED, end);
  }

  private static Svg.Curve curve(StormRun run, int y, Scale scale) {
    double step = scale.seconds() / POINTS;
    double half = Math.max(WINDOW_POINTS * step, WINDOW_TOKENS / run.before()) / 2;
    Svg.Curve curve = new Svg.Curve();
    double end = second(run, run.end());
    for (double at = half; at <= end - half; at += step) {
      double rate = run.rate(nanos(run, at - half), nanos(run, at + half));
      curve.to(scale.x(at), y + PANEL - scale.height(rate));
    }
    return curve;
  }

  private static double second(StormRun run, long nanos) {
    return (nanos - run.begin()) / NANOS;
  }

  private static long nanos(StormRun run, double second) {
    return run.begin() + (long) (second * NANOS);
  }
}
