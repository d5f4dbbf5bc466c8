package dev.weir.tests.bench.load;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What storms showed, as a table for people and as JSON.
 *
 * @param allowed the factor by which a step may take longer on average
 */
record StormReport(double allowed, List<StormSeries> all) {
  private static final int MILLIS = 1000;
  private static final int PERCENT = 100;

  private record Column(String title, String format, ToDoubleFunction<StormRun> value) {}

  private List<Column> columns() {
    return List.of(
        new Column("prompt", "%,.0f", StormRun::promptTokens),
        new Column("before", "%.1f tok/s", StormRun::before),
        new Column("during", "%.1f tok/s", StormRun::during),
        new Column("after", "%.1f tok/s", StormRun::after),
        new Column("kept", "%.1f %%", run -> PERCENT * run.kept()),
        new Column(
            "median gap before",
            "%.1f ms",
            run -> MILLIS * run.gaps(run.begin(), run.sent()).median()),
        new Column(
            "p99 gap during",
            "%.1f ms",
            run -> MILLIS * run.gaps(run.sent(), run.answered()).quantile(0.99)),
        new Column("worst gap before", "%.1f ×", StormRun::worstGapBefore),
        new Column("worst gap", "%.1f ×", StormRun::worstGap),
        new Column("first token", "%.2f s", StormRun::promptSeconds),
        new Column("of the balance", "%.0f %%", run -> PERCENT * run.ofBalance(allowed)),
        new Column("steps grew to", "%.0f %%", StormReport::stepPercent),
        new Column("worst step", "%.1f ×", StormReport::worstStep),
        new Column("failed", "%.0f", run -> run.failures().size()));
  }

  private static double stepPercent(StormRun run) {
    Balance balance = run.balance();
    return balance == null ? Double.NaN : PERCENT * balance.inflation();
  }

  private static double worstStep(StormRun run) {
    Balance balance = run.balance();
    return balance == null ? Double.NaN : balance.worstStep();
  }

  /** A table in Markdown: medians over each series' runs. */
  String table() {
    List<Column> columns = columns();
    StringBuilder table = new StringBuilder("| server |");
    columns.forEach(column -> table.append(' ').append(column.title()).append(" |"));
    table.append("\n|---|").repeat("---|", columns.size()).append('\n');
    for (StormSeries series : all) {
      table.append("| ").append(series.label()).append(" |");
      for (Column column : columns) {
        double value = series.median(column.value());
        String shown =
            Double.isNaN(value) ? "–" : String.format(Locale.ROOT, column.format(), value);
        table.append(' ').append(shown).append(" |");
      }
      table.append('\n');
    }
    return table.toString();
  }

  /** Every run of every series. */
  List<Map<String, Object>> figures() {
    List<Map<String, Object>> figures = new ArrayList<>();
    for (StormSeries series : all) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("server", series.label());
      row.put("kept_median", series.median(StormRun::kept));
      row.put("worst_gap_over_median_gap_median", series.median(StormRun::worstGap));
      row.put("first_token_seconds_median", series.median(StormRun::promptSeconds));
      row.put("runs", series.runs().stream().map(this::figures).toList());
      figures.add(row);
    }
    return figures;
  }

  private Map<String, Object> figures(StormRun run) {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("prompt_tokens", run.promptTokens());
    row.put("before_tokens_per_second", run.before());
    row.put("during_tokens_per_second", run.during());
    row.put("after_tokens_per_second", run.after());
    row.put("kept", run.kept());
    row.put("median_gap_before_seconds", run.gaps(run.begin(), run.sent()).median());
    row.put("worst_gap_before_over_median_gap", run.worstGapBefore());
    row.put("worst_gap_over_median_gap", run.worstGap());
    row.put("first_token_seconds", run.promptSeconds());
    row.put("failures", run.failures());
    Balance balance = run.balance();
    if (balance != null) {
      row.put("engine", balance);
      row.put("step_inflation", balance.inflation());
      row.put("first_token_over_balance", run.ofBalance(allowed));
    }
    return row;
  }
}
