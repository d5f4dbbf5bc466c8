package dev.weir.server.cli;

import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.TimeLimits;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** After how much time requests and sessions end, as the command line says it. */
final class TimeOptions {
  @Option(
      names = "--queue-timeout",
      paramLabel = "TIME",
      converter = TimeSpan.Converter.class,
      description =
          "How long a request that does not say it may wait to be admitted (30s, 500ms, 10m); 408"
              + " from then on. Default: for ever.")
  private @Nullable Duration queueTimeout;

  @Option(
      names = "--ttft-deadline",
      paramLabel = "TIME",
      converter = TimeSpan.Converter.class,
      description =
          "How long the engine may work for such a request without a first token; 504 from then"
              + " on. Waiting for others does not count. Default: for ever.")
  private @Nullable Duration firstTokenDeadline;

  @Option(
      names = "--deadline",
      paramLabel = "TIME",
      converter = TimeSpan.Converter.class,
      description =
          "How long it may work for such a request in all; what there is by then is the answer."
              + " Default: for ever.")
  private @Nullable Duration deadline;

  @Option(
      names = "--max-queue-time",
      paramLabel = "TIME",
      converter = TimeSpan.Converter.class,
      description =
          "Answer 429 at once to a request whose first token is predicted to take longer, and 400"
              + " where its prompt alone does. Default: never.")
  private @Nullable Duration maxQueueTime;

  @Option(
      names = "--session-lease",
      paramLabel = "TIME",
      converter = TimeSpan.Converter.class,
      description =
          "How long an idle session's keys and values are spared before others'. Default: 10m.")
  private @Nullable Duration sessionLease;

  EngineOptions set(EngineOptions defaults) {
    EngineOptions options =
        defaults.withLimits(
            new TimeLimits(
                Optional.ofNullable(queueTimeout),
                Optional.ofNullable(firstTokenDeadline),
                Optional.ofNullable(deadline)));
    options = maxQueueTime == null ? options : options.withMaxQueueTime(maxQueueTime);
    return sessionLease == null ? options : options.withSessionLease(sessionLease);
  }
}
