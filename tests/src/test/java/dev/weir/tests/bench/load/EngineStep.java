package dev.weir.tests.bench.load;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A step that Weir computed, from {@code GET /v1/weir/steps}.
 *
 * @param number from 0, over all devices
 * @param predictedSeconds what its cost model had expected
 */
record EngineStep(
    long number, double seconds, double predictedSeconds, int decodeRows, int prefillTokens) {
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final int OK = 200;
  private static final double MILLIS = 1e-3;

  /** A log that always has more is broken. */
  private static final int MOST_PAGES = 64;

  /** How far the prediction was off, as a share of what the step took. */
  double misprediction() {
    return Math.abs(predictedSeconds - seconds) / seconds;
  }

  /**
   * The steps with a greater number that the server remembers, oldest first; none if it has no such
   * log.
   */
  static List<EngineStep> after(Target target, long number) throws InterruptedException {
    List<EngineStep> steps = new ArrayList<>();
    try {
      boolean more = true;
      for (int page = 0; more && page < MOST_PAGES; page++) {
        long last = steps.isEmpty() ? number : steps.getLast().number();
        HttpRequest request =
            HttpRequest.newBuilder(target.at("/v1/weir/steps?after=" + last))
                .timeout(LIMIT)
                .build();
        HttpResponse<String> response = target.client().send(request, BodyHandlers.ofString());
        if (response.statusCode() != OK) {
          return List.of();
        }
        more = parse(response.body(), steps);
      }
    } catch (IOException noAnswer) {
      return List.of(); // another server than Weir need not have this
    }
    return steps;
  }

  /** Reads a page of the log; whether there is more. */
  static boolean parse(String json, List<EngineStep> steps) {
    JsonNode page = JsonMapper.shared().readTree(json);
    for (JsonNode step : page.path("data")) {
      steps.add(
          new EngineStep(
              step.path("number").asLong(),
              MILLIS * step.path("ms").asDouble(),
              MILLIS * step.path("predicted_ms").asDouble(),
              step.path("decode_rows").asInt(),
              step.path("prefill_tokens").asInt()));
    }
    return page.path("has_more").asBoolean(false) && !page.path("data").isEmpty();
  }

  /**
   * The steps from one number up to and without another; none if some of them are missing.
   *
   * @param log ascending
   */
  static List<EngineStep> between(List<EngineStep> log, long from, long to) {
    List<EngineStep> found =
        log.stream().filter(step -> step.number() >= from && step.number() < to).toList();
    return found.size() == to - from ? found : List.of();
  }
}
