package dev.weir.tests.gpucheck;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What was found: facts, checks that passed or failed, measured rows, and notes on what was left
 * out. Lines appear as they come; {@link #write} leaves a table for people and the lines for
 * machines. Thread-safe: the watchdog writes it while a section hangs.
 */
final class Report {
  private final PrintStream console;
  private final List<String> lines = new ArrayList<>();
  private final Map<String, String> facts = new LinkedHashMap<>();
  private final List<Check> checks = new ArrayList<>();
  private final List<Row> rows = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  /** Longest detail that is kept; the rest of a stack trace helps nobody in a table. */
  private static final int MOST_DETAIL = 400;

  private record Check(String section, String name, boolean passed, String detail) {
    private Check {
      detail = detail.replaceAll("\\s+", " ").strip();
      detail = detail.length() > MOST_DETAIL ? detail.substring(0, MOST_DETAIL) + "…" : detail;
    }
  }

  Report(PrintStream console) {
    this.console = console;
  }

  /** Something about the machine or the run. */
  synchronized void fact(String name, String value) {
    facts.put(name, value);
    say("fact\t" + name + "\t" + value);
  }

  /** A fact that was recorded. */
  synchronized String fact(String name) {
    return facts.getOrDefault(name, "");
  }

  synchronized void row(Row row) {
    rows.add(row);
    say(row.line());
  }

  synchronized void passed(String section, String name, String detail) {
    check(new Check(section, name, true, detail));
  }

  synchronized void failed(String section, String name, String detail) {
    check(new Check(section, name, false, detail));
  }

  private void check(Check check) {
    checks.add(check);
    say(
        String.join(
            "\t",
            "check",
            check.section,
            check.name,
            check.passed ? "passed" : "failed",
            check.detail));
  }

  /** What a reader must know beside the figures, above all what was left out. */
  synchronized void note(String section, String text) {
    notes.add(section + ": " + text);
    say("note\t" + section + "\t" + text.replaceAll("\\s+", " "));
  }

  /** Whether every check passed, and there was one. */
  synchronized boolean ok() {
    return !checks.isEmpty() && checks.stream().allMatch(Check::passed);
  }

  /** A line that another process's report printed; anything else is shown, and not kept. */
  synchronized void accept(String line) {
    String[] parts = line.split("\t", -1);
    switch (parts[0] + parts.length) {
      case "fact3" -> fact(parts[1], parts[2]);
      case "note3" -> note(parts[1], parts[2]);
      case "check5" -> check(new Check(parts[1], parts[2], parts[3].equals("passed"), parts[4]));
      case "row9" -> row(Row.parse(parts));
      default -> console.println(line);
    }
  }

  private void say(String line) {
    lines.add(line);
    console.println(line);
    console.flush();
  }

  /** Writes {@code gpu-<device>.md} and {@code rows.tsv}. */
  synchronized Path write(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve("rows.tsv"), lines);
    String device = facts.getOrDefault("device", "none").toLowerCase(Locale.ROOT);
    Path table =
        folder.resolve("gpu-" + device.replaceAll("[^a-z0-9]+", "-").replaceAll("-+$", "") + ".md");
    Files.writeString(table, markdown());
    return table;
  }

  private String markdown() {
    StringBuilder text = new StringBuilder("# " + facts.getOrDefault("device", "no device"));
    text.append("\n\nWritten by `gpu-check`: ").append(ok() ? "OK" : "FAILED").append(".\n\n");
    facts.forEach(
        (name, value) -> text.append("* ").append(name).append(": ").append(value).append('\n'));
    long failures = checks.stream().filter(check -> !check.passed).count();
    text.append(
        "\n## Checks\n\n%d passed, %d failed.\n\n".formatted(checks.size() - failures, failures));
    for (Check check : checks) {
      text.append("* ").append(check.passed ? "passed" : "**failed**").append(": ");
      text.append(check.section).append(", ").append(check.name);
      text.append(check.detail.isEmpty() ? "" : ": " + check.detail.strip()).append('\n');
    }
    String section = "";
    for (Row row : rows) {
      if (!row.section().equals(section)) {
        section = row.section();
        text.append("\n## ").append(section).append("\n\n");
        text.append("| what | µs | figure | of the measured ceiling | × torch | target |\n");
        text.append("|---|---|---|---|---|---|\n");
      }
      text.append("| ").append(row.name()).append(" | ").append(plain(row.micros()));
      text.append(" | ").append(Row.number(row.value())).append(' ').append(row.unit());
      text.append(" | ").append(Row.percent(row.ofCeiling()));
      text.append(" | ").append(plain(row.ofTorch()));
      text.append(" | ").append(row.verdict() == Row.Verdict.NONE ? "" : row.verdict().text());
      text.append(" |\n");
    }
    if (!notes.isEmpty()) {
      text.append("\n## Notes\n\n");
      notes.forEach(note -> text.append("* ").append(note.strip()).append('\n'));
    }
    return text.toString();
  }

  private static String plain(double value) {
    return Double.isNaN(value) ? "" : Row.number(value);
  }
}
