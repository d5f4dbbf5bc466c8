package dev.weir.tests.bench.load;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code weir bench storm}: the storm against one server after the other. */
@Command(
    name = "storm",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Streams decode; then a long cold prompt arrives: what do they keep? Against servers that"
            + " run already (--url), or against Weir under each --policy in turn (default, prefill-first"
            + " and fixed-chunk=512, unless others are named).")
public final class StormBench implements Callable<Integer> {
  private static final List<String> POLICIES =
      List.of(WeirOptions.DEFAULT_POLICY, "prefill-first", "fixed-chunk=512");

  /** What Weir lets a step take longer on average, unless it is told otherwise. */
  private static final double DEFAULT_ALLOWED = 1.25;

  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Mixin private WeirOptions servers = new WeirOptions();

  @Mixin private TargetOptions requests = new TargetOptions();

  @Option(
      names = {"-k", "--streams"},
      paramLabel = "K",
      description = "Streams that decode (default: ${DEFAULT-VALUE}).",
      defaultValue = "3")
  private int streams;

  @Option(
      names = "--stream-tokens",
      paramLabel = "N",
      description = "Prompt of each stream (default: ${DEFAULT-VALUE}).",
      defaultValue = "64")
  private int streamTokens;

  @Option(
      names = "--storm-tokens",
      split = ",",
      paramLabel = "N",
      description = "The long prompt; several lengths are tried (default: ${DEFAULT-VALUE}).",
      defaultValue = "4096")
  private List<Integer> stormTokens = List.of();

  @Option(
      names = "--storms",
      paramLabel = "N",
      description = "Long prompts at once (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int storms;

  @Option(
      names = "--warm-up",
      paramLabel = "SECONDS",
      description = "How long streams run before they are watched (default: ${DEFAULT-VALUE}).",
      defaultValue = "2")
  private double warmUp;

  @Option(
      names = "--before",
      paramLabel = "SECONDS",
      description = "How long they are watched before the storm (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private double before;

  @Option(
      names = "--after",
      paramLabel = "SECONDS",
      description = "… and after (default: ${DEFAULT-VALUE}).",
      defaultValue = "3")
  private double after;

  @Option(
      names = "--runs",
      paramLabel = "N",
      description = "Runs per server; medians are printed (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private int runs;

  @Option(
      names = "--allowed",
      paramLabel = "R",
      description =
          "How much longer a step may take on average, for the balance: --itl-target of the servers"
              + " (default: ${DEFAULT-VALUE}).",
      defaultValue = "" + DEFAULT_ALLOWED)
  private double allowed;

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Also writes storm.json and the pictures there.")
  private @Nullable Path out;

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return Commands.commandLine(new StormBench());
  }

  @Override
  public Integer call() throws Exception {
    if (runs < 1) {
      throw new IllegalArgumentException("there must be at least 1 run, not " + runs);
    }
    List<Storm> planned = stormTokens.stream().map(this::storm).toList();
    String machine = Machine.describe(); // before this benchmark is its load
    List<StormSeries> all = new ArrayList<>();
    for (WeirOptions.Candidate candidate : servers.candidates(POLICIES)) {
      try (WeirServer server = candidate.launch().start()) {
        Target target = requests.target(server.url());
        for (Storm storm : planned) {
          all.add(measure(candidate, target, storm));
        }
      }
    }
    StormReport report = new StormReport(allowed, all);
    PrintWriter terminal = spec.commandLine().getOut();
    terminal.printf(
        "%n%d streams, %d long prompt(s) at once; medians of %d runs; %s%n%n%s",
        streams, storms, runs, machine, report.table());
    terminal.flush();
    if (out != null) {
      write(out, machine, report);
    }
    return 0;
  }

  private Storm storm(int tokens) {
    return new Storm(
        streams, streamTokens, tokens, storms, seconds(warmUp), seconds(before), seconds(after));
  }

  private StormSeries measure(WeirOptions.Candidate candidate, Target target, Storm storm)
      throws InterruptedException {
    int tokens = storm.promptTokens();
    Random random = new Random(requests.seed() * 31 + tokens);
    Preflight preflight = Preflight.of(target, requests.prompts(), random);
    List<StormRun> done = new ArrayList<>();
    for (int run = 1; run <= runs; run++) {
      StormRun last = storm.run(target, preflight.prompts(), preflight.tokensPerPiece(), random);
      done.add(last);
      spec.commandLine()
          .getErr()
          .printf(
              "%s, run %d: %.1f -> %.1f tok/s (%.0f %% kept), worst gap %.1f x, prompt %.2f s%n",
              candidate.label(),
              run,
              last.before(),
              last.during(),
              100 * last.kept(),
              last.worstGap(),
              last.promptSeconds());
    }
    String length = stormTokens.size() > 1 ? tokens + "-tokens" : "";
    String group = candidate.group().isEmpty() || length.isEmpty() ? "" : "-";
    return new StormSeries(candidate.label(), candidate.group() + group + length, done);
  }

  private static Duration seconds(double seconds) {
    return Duration.ofNanos((long) (seconds * 1e9));
  }

  private void write(Path folder, String machine, StormReport report) throws IOException {
    Files.createDirectories(folder);
    Map<String, List<StormSeries>> groups =
        report.all().stream()
            .collect(
                Collectors.groupingBy(StormSeries::group, LinkedHashMap::new, Collectors.toList()));
    for (Map.Entry<String, List<StormSeries>> group : groups.entrySet()) {
      String name = group.getKey().isEmpty() ? "storm.svg" : "storm-" + group.getKey() + ".svg";
      Files.writeString(folder.resolve(name), StormPicture.svg(group.getValue()));
    }
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("machine", machine);
    json.put("streams", streams);
    json.put("long_prompts", storms);
    json.put("series", report.figures());
    Commands.writeJson(folder, "storm.json", json);
  }
}
