package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * {@code GET /health}: 200 while the step loop goes round, 503 when it has not for a while. The
 * loop's own heartbeat is asked, not whether a token came out: an idle engine is healthy, a stuck
 * one with finished requests is not.
 */
public final class HealthHandler implements Handler {
  /** A step on a slow machine takes a second or two; ten times that is no step any more. */
  public static final Duration DEFAULT_LIMIT = Duration.ofSeconds(30);

  private final LongSupplier heartbeatAgeNanos;
  private final Duration limit;

  /**
   * Watches a heartbeat.
   *
   * @param heartbeatAgeNanos time since the loop last went round
   * @param limit the age at which the loop counts as stuck
   */
  public HealthHandler(LongSupplier heartbeatAgeNanos, Duration limit) {
    this.heartbeatAgeNanos = heartbeatAgeNanos;
    this.limit = limit;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    long age = heartbeatAgeNanos.getAsLong();
    boolean alive = age <= limit.toNanos();
    String json =
        "{\"status\":\"%s\",\"heartbeat_age_ms\":%d}"
            .formatted(alive ? "ok" : "stuck", age / 1_000_000);
    exchange.respond(
        alive ? 200 : 503, Router.JSON, json.getBytes(StandardCharsets.UTF_8), Map.of());
  }
}
