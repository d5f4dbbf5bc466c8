package dev.weir.server.api;

import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;

/** {@code GET /metrics}: Prometheus text of a registry. */
public final class MetricsHandler implements Handler {
  private final PrometheusRegistry registry;

  /** Shows the registry. */
  public MetricsHandler(PrometheusRegistry registry) {
    this.registry = registry;
  }

  @Override
  public void handle(Exchange exchange) throws IOException {
    PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    writer.write(text, registry.scrape());
    exchange.respond(200, writer.getContentType(), text.toByteArray(), Map.of());
  }
}
