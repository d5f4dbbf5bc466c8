package dev.weir.tests.bench.load;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.ObjectMapper;

/** {@code weir bench storm}: the storm against one server after the other. */
@Command(
    name = "storm",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Streams decode; then a long cold prompt arrives: what do they keep? Against servers that"
            + " run already (--url), or against Weir under each of --policies in turn.")
public final class StormBench implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Option(
      names = "--url",
      paramLabel = "[LABEL=]URL",
      description = "A server, up to and without /v1; may be given several times.")
  private List<String> urls = List.of();

  @Option(
      names = "--served-model",
      paramLabel = "NAME",
      description = "The model's name in requests to --url.",
      defaultValue = "default")
  private String servedModel = "default";

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "What Weir serves where there is no --url: a directory, or qwen3-0.6b or llama-3.2-1b for"
              + " random weights of that shape (default: ${DEFAULT-VALUE}).",
      defaultValue = "qwen3-0.6b")
  private String model = "qwen3-0.6b";

  @Option(
      names = "--policies",
      split = ",",
      paramLabel = "POLICY",
      description = "Weir's policies to compare (default: ${DEFAULT-VALUE}).",
      defaultValue = "time-budget,prefill-first,fixed-chunk=512")
  private List<String> policies = List.of();

  @Option(
      names = "--serve-options",
      paramLabel = "OPTIONS",
      description = "More options for 'weir serve', in one string.",
      defaultValue = "")
  private String serveOptions = "";

  @Option(
      names = "--vocabulary",
      paramLabel = "N",
      description = "Prompts are random token ids below this (default: ${DEFAULT-VALUE}).",
      defaultValue = "500")
  private int vocabulary;

  @Option(
      names = "--decoders",
      paramLabel = "N",
      description = "Streams (default: ${DEFAULT-VALUE}).",
      defaultValue = "3")
  private int decoders;

  @Option(
      names = "--decoder-tokens",
      paramLabel = "N",
      description = "Prompt of each stream (default: ${DEFAULT-VALUE}).",
      defaultValue = "64")
  private int decoderTokens;

  @Option(
      names = "--storm-tokens",
      paramLabel = "N",
      description = "The long prompt (default: ${DEFAULT-VALUE}).",
      defaultValue = "4096")
  private int stormTokens;

  @Option(
      names = "--storms",
      paramLabel = "N",
      description = "Long prompts at once (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int storms;

  @Option(
      names = "--before",
      paramLabel = "SECONDS",
      description = "How long the streams are watched before (default: ${DEFAULT-VALUE}).",
      defaultValue = "8")
  private double before;

  @Option(
      names = "--after",
      paramLabel = "SECONDS",
      description = "… and after (default: ${DEFAULT-VALUE}).",
      defaultValue = "4")
  private double after;

  @Option(
      names = "--runs",
      paramLabel = "N",
      description = "Runs per server; medians are printed (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private int runs;

  @Option(
      names = "--patience",
      paramLabel = "SECONDS",
      description =
          "A request without an answer for so long has failed (default: ${DEFAULT-VALUE}).",
      defaultValue = "1800")
  private int patience;

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Also writes storm.json and storm.svg there.")
  private @Nullable Path out;

  /** All runs against one server. */
  private record Series(String label, List<StormRun> runs) {
    double median(ToDoubleFunction<StormRun> value) {
      double[] values = runs.stream().mapToDouble(value).sorted().toArray();
      return values[values.length / 2];
    }

    /** The run whose kept share is the median: the one to draw. */
    StormRun middle() {
      return runs.stream()
          .sorted(Comparator.comparingDouble(StormRun::kept))
          .toList()
          .get(runs.size() / 2);
    }
  }

  public static void main(String[] arguments) {
    System.exit(new CommandLine(new StormBench()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    List<Series> all = new ArrayList<>();
    if (urls.isEmpty()) {
      for (String policy : policies) {
        String options = "--policy " + policy + " " + serveOptions;
        try (WeirServer server = WeirServer.start(model, options)) {
          all.add(measure("Weir, " + policy, server.url(), WeirServer.MODEL_NAME));
        }
      }
    } else {
      for (String url : urls) {
        int label = url.indexOf('=');
        String name = label < 0 ? url : url.substring(0, label);
        all.add(measure(name, URI.create(url.substring(label + 1)), servedModel));
      }
    }
    print(all);
    if (out != null) {
      Files.createDirectories(out);
      List<StormPicture.Curve> curves =
          all.stream().map(one -> new StormPicture.Curve(one.label(), one.middle())).toList();
      Files.writeString(out.resolve("storm.svg"), StormPicture.svg(curves));
      Files.writeString(out.resolve("storm.json"), JSON.writeValueAsString(figures(all)) + "\n");
    }
    return 0;
  }

  private Series measure(String label, URI url, String name) throws InterruptedException {
    Target target = Target.of(url, name, vocabulary, Duration.ofSeconds(patience));
    Storm storm =
        new Storm(decoders, decoderTokens, stormTokens, storms, seconds(before), seconds(after));
    List<StormRun> done = new ArrayList<>();
    for (int run = 0; run < runs; run++) {
      done.add(storm.run(target, new Random()));
      StormRun last = done.getLast();
      System.err.printf(
          "%s, run %d: %.1f -> %.1f tok/s (%.0f %% kept), prompt %.1f s%n",
          label, run + 1, last.before(), last.during(), 100 * last.kept(), last.promptSeconds());
    }
    return new Series(label, done);
  }

  private static Duration seconds(double seconds) {
    return Duration.ofNanos((long) (seconds * 1e9));
  }

  private void print(List<Series> all) {
    System.out.printf(
        "%d streams; %d prompt(s) of %,d tokens; medians of %d runs%n%n",
        decoders, storms, stormTokens, runs);
    System.out.println(
        "| server | before | during | kept | after | gap p50 before | gap p99 during | worst gap |"
            + " prompt |");
    System.out.println("|---|---|---|---|---|---|---|---|---|");
    for (Series one : all) {
      System.out.printf(
          "| %s | %.1f tok/s | %.1f tok/s | %.1f %% | %.1f tok/s | %.0f ms | %.0f ms | %.1f × |"
              + " %.1f s |%n",
          one.label(),
          one.median(StormRun::before),
          one.median(StormRun::during),
          100 * one.median(StormRun::kept),
          one.median(StormRun::after),
          1000 * one.median(run -> StormRun.quantile(run.gaps(run.begin(), run.sent()), 0.5)),
          1000 * one.median(run -> StormRun.quantile(run.gaps(run.sent(), run.answered()), 0.99)),
          one.median(StormRun::worstGap),
          one.median(StormRun::promptSeconds));
    }
  }

  private List<Map<String, Object>> figures(List<Series> all) {
    List<Map<String, Object>> figures = new ArrayList<>();
    for (Series one : all) {
      for (StormRun run : one.runs()) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("server", one.label());
        row.put("decoders", decoders);
        row.put("prompts", storms);
        row.put("prompt_tokens", run.promptTokens());
        row.put("before_tokens_per_second", run.before());
        row.put("during_tokens_per_second", run.during());
        row.put("after_tokens_per_second", run.after());
        row.put("kept", run.kept());
        row.put("worst_gap_over_median", run.worstGap());
        row.put("prompt_seconds", run.promptSeconds());
        figures.add(row);
      }
    }
    return figures;
  }
}
