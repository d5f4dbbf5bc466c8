package dev.weir.tests.bench.load;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What Weir's engine did, from the counters of {@code /metrics}.
 *
 * @param seconds in steps
 * @param prefillTokens prompt tokens computed in them
 */
record EngineWork(long steps, double seconds, long prefillTokens) {
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final int OK = 200;

  /** The counters now; null if the server has none of these. */
  static @Nullable EngineWork read(Target target) throws InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(target.at("/metrics")).timeout(LIMIT).build();
    try {
      HttpResponse<String> response = target.client().send(request, BodyHandlers.ofString());
      return response.statusCode() == OK ? parse(response.body()) : null;
    } catch (IOException noAnswer) {
      return null; // another server than Weir need not have metrics
    }
  }

  /** Reads Prometheus' text format; null if it holds no counters of Weir's. */
  static @Nullable EngineWork parse(String metrics) {
    double steps = counter(metrics, "weir_steps_total");
    return Double.isNaN(steps)
        ? null
        : new EngineWork(
            (long) steps,
            counter(metrics, "weir_step_seconds_total"),
            (long) counter(metrics, "weir_prefill_tokens_total"));
  }

  private static double counter(String metrics, String name) {
    return metrics
        .lines()
        .filter(line -> line.startsWith(name + " ") || line.startsWith(name + "{"))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .reduce(Double::sum)
        .orElse(Double.NaN);
  }

  /** What was done from this look to a later one. */
  EngineWork until(EngineWork later) {
    return new EngineWork(
        later.steps - steps, later.seconds - seconds, later.prefillTokens - prefillTokens);
  }
}
