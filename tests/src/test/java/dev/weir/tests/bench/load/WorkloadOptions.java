package dev.weir.tests.bench.load;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** What {@code weir bench serve} asks, and when. */
final class WorkloadOptions {
  @Option(
      names = "--arrivals",
      paramLabel = "FORM",
      converter = ArrivalsConverter.class,
      description =
          "poisson:RATE (per second), burst:SIZE[,SECONDS], or closed:CLIENTS, each of which waits"
              + " for its answer (default: ${DEFAULT-VALUE}).",
      defaultValue = "poisson:1")
  private Arrivals arrivals = new Arrivals.Poisson(1);

  @Option(
      names = {"-n", "--requests"},
      paramLabel = "N",
      description = "Requests, or dialogues with --turns (default: ${DEFAULT-VALUE}).",
      defaultValue = "32")
  private int groups;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description =
          "Sends every prompt so many times at once, as a group of rollouts (default:"
              + " ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int samples;

  @Option(
      names = "--prompt-tokens",
      paramLabel = "LENGTH",
      converter = LengthsConverter.class,
      description = "512, 100-900 (uniform) or lognormal:MEDIAN,SIGMA (default: ${DEFAULT-VALUE}).",
      defaultValue = "256")
  private Lengths promptTokens = new Lengths.Fixed(1);

  @Option(
      names = "--output-tokens",
      paramLabel = "LENGTH",
      converter = LengthsConverter.class,
      description = "The same for answers (default: ${DEFAULT-VALUE}).",
      defaultValue = "32")
  private Lengths outputTokens = new Lengths.Fixed(1);

  @Option(
      names = "--lengths",
      paramLabel = "FILE",
      description =
          "Draws both lengths from a file of JSON lines instead: {\"prompt_tokens\": 512,"
              + " \"completion_tokens\": 64}.")
  private @Nullable Path lengths;

  @Option(
      names = "--turns",
      paramLabel = "N",
      description =
          "Turns of a dialogue; each turn's prompt is all that was said before and something new"
              + " (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int turns;

  @Option(
      names = "--later-tokens",
      paramLabel = "LENGTH",
      converter = LengthsConverter.class,
      description = "What each turn after the first adds (default: ${DEFAULT-VALUE}).",
      defaultValue = "64")
  private Lengths laterTokens = new Lengths.Fixed(1);

  @Option(
      names = "--pause",
      paramLabel = "SECONDS",
      description = "Between an answer and the next turn (default: ${DEFAULT-VALUE}).",
      defaultValue = "0")
  private double pause;

  @Option(
      names = "--session-header",
      description = "Names each dialogue to the server, in X-Session-ID.")
  private boolean sessions;

  @Option(
      names = "--concurrency",
      paramLabel = "N",
      description = "Most dialogues at once; those beyond wait, and their clocks run.")
  private @Nullable Integer concurrency;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description = "0 draws the likeliest token (default: ${DEFAULT-VALUE}).",
      defaultValue = "0")
  private double temperature;

  Workload draw(PromptMaker prompts, Random random) throws IOException {
    LengthPairs pairs =
        lengths == null
            ? new LengthPairs.Independent(promptTokens, outputTokens)
            : LengthPairs.Seen.read(lengths);
    int limit = concurrency == null ? Arrivals.NO_LIMIT : concurrency;
    Workload.Shape shape = new Workload.Shape(groups, samples, turns, pairs, laterTokens);
    return Workload.draw(shape, arrivals, limit, prompts, random);
  }

  LoadResult run(Target target, Workload workload) throws InterruptedException {
    Duration between = Duration.ofNanos((long) (pause * Duration.ofSeconds(1).toNanos()));
    return new LoadRun(target, workload, between, sessions, temperature).run();
  }

  /** Lengths as the command line says them. */
  static final class LengthsConverter implements ITypeConverter<Lengths> {
    @Override
    public Lengths convert(String value) {
      try {
        return Lengths.parse(value);
      } catch (IllegalArgumentException wrong) {
        throw new TypeConversionException(wrong.getMessage());
      }
    }
  }

  /** Arrivals as the command line says them. */
  static final class ArrivalsConverter implements ITypeConverter<Arrivals> {
    @Override
    public Arrivals convert(String value) {
      try {
        return Arrivals.parse(value);
      } catch (IllegalArgumentException wrong) {
        throw new TypeConversionException(wrong.getMessage());
      }
    }
  }
}
