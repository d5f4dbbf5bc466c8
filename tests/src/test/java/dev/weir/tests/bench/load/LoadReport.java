package dev.weir.tests.bench.load;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** What a workload got from a server, as tables for people and as JSON. */
record LoadReport(String label, Objective objective, LoadResult result) {
  private static final int MILLIS = 1000;
  private static final int PERCENT = 100;
  private static final double[] QUANTILES = {0.5, 0.9, 0.99};

  private record Row(String title, String key, Values seconds) {}

  private List<Row> rows() {
    return List.of(
        new Row("first token (TTFT)", "ttft", result.of(Outcome::firstToken)),
        new Row("between pieces (ITL)", "itl", result.gaps()),
        new Row("per token (TPOT)", "tpot", result.of(Outcome::perToken)),
        new Row("whole answer (E2E)", "e2e", result.of(Outcome::whole)),
        new Row("the client was late", "client_lag", result.of(Outcome::lag)));
  }

  /** A summary and a table in Markdown. */
  String text() {
    StringBuilder text = new StringBuilder("### " + label + "\n\n" + summary() + "\n\n");
    text.append("| milliseconds | mean | p50 | p90 | p99 | max |\n|---|---|---|---|---|---|\n");
    for (Row row : rows()) {
      Values values = row.seconds();
      StringJoiner line = new StringJoiner(" | ", "| ", " |\n").add(row.title());
      line.add(millis(values.mean()));
      for (double q : QUANTILES) {
        line.add(millis(values.quantile(q)));
      }
      text.append(line.add(millis(values.max())));
    }
    return text.toString();
  }

  private static String millis(double seconds) {
    return Double.isNaN(seconds) ? "–" : String.format(Locale.ROOT, "%,.1f", MILLIS * seconds);
  }

  private String summary() {
    return String.format(
        Locale.ROOT,
        "%d of %d requests answered in %.1f s: %.2f requests/s, %.2f of these within the objective;"
            + " %.1f output tokens/s; %.1f prompt tokens/s, %.0f %% of them cached; failed: %s",
        result.succeeded().size(),
        result.outcomes().size(),
        result.seconds(),
        result.perSecond(one -> 1),
        result.goodput(objective),
        result.perSecond(Outcome::outputTokens),
        result.perSecond(Outcome::promptTokens),
        PERCENT * result.cachedShare(),
        result.failures().isEmpty() ? "none" : result.failures());
  }

  /** The same and more, for programs; seconds. */
  Map<String, Object> figures() {
    Map<String, Object> figures = new LinkedHashMap<>();
    figures.put("server", label);
    figures.put("requests", result.outcomes().size());
    figures.put("answered", result.succeeded().size());
    figures.put("failures", result.failures());
    figures.put("seconds", result.seconds());
    figures.put("requests_per_second", result.perSecond(one -> 1));
    figures.put("goodput_per_second", result.goodput(objective));
    figures.put("output_tokens_per_second", result.perSecond(Outcome::outputTokens));
    figures.put("prompt_tokens_per_second", result.perSecond(Outcome::promptTokens));
    figures.put("cached_share", result.cachedShare());
    for (Row row : rows()) {
      Values values = row.seconds();
      Map<String, Object> quantiles = new LinkedHashMap<>();
      quantiles.put("mean", values.mean());
      for (double q : QUANTILES) {
        quantiles.put("p" + Math.round(PERCENT * q), values.quantile(q));
      }
      quantiles.put("max", values.max());
      figures.put(row.key() + "_seconds", quantiles);
    }
    return figures;
  }
}
