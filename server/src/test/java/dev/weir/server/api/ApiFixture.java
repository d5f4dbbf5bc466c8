package dev.weir.server.api;

import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** All endpoints over a scripted model, and a client. */
final class ApiFixture implements AutoCloseable {
  private static final JsonMapper MAPPER = new JsonMapper();

  final ScriptedModel model = new ScriptedModel();
  final AtomicLong heartbeatAge = new AtomicLong();
  final HttpServer server;
  private final HttpClient client = HttpClient.newHttpClient();

  ApiFixture() throws IOException {
    this(Heartbeats.DEFAULT);
  }

  ApiFixture(Heartbeats heartbeats) throws IOException {
    PrometheusRegistry registry = new PrometheusRegistry();
    Counter.builder().name("weir_test_total").help("A test's.").register(registry).inc(3);
    server =
        HttpServer.start(
            HttpOptions.on("127.0.0.1", 0),
            Api.router(
                model,
                heartbeats,
                new HealthHandler(heartbeatAge::get, Duration.ofSeconds(1)),
                new MetricsHandler(registry),
                InstantSource.system()),
            Router.errorBody());
  }

  static JsonNode parse(String json) {
    try {
      return MAPPER.readTree(json);
    } catch (JacksonException e) {
      throw new AssertionError("not JSON: " + json, e);
    }
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path)).build(), BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  /** Gets with a header. */
  HttpResponse<String> get(String path, String header, String value)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path)).header(header, value).build(),
        BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  HttpResponse<String> post(String path, String json) throws IOException, InterruptedException {
    return post(path, json.getBytes(StandardCharsets.UTF_8), "application/json; charset=utf-8");
  }

  /** Posts with further headers, names and values in turn. */
  HttpResponse<String> post(String path, String json, String... headers)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path))
            .headers(headers)
            .POST(BodyPublishers.ofString(json))
            .build(),
        BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  HttpResponse<String> delete(String path) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path)).DELETE().build(),
        BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  HttpResponse<String> post(String path, byte[] body, String contentType)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path))
            .header("Content-Type", contentType)
            .POST(BodyPublishers.ofByteArray(body))
            .build(),
        BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  /** The data of a stream's events, in order. */
  List<String> stream(String path, String json) throws IOException, InterruptedException {
    HttpResponse<String> response = post(path, json);
    if (response.statusCode() != 200
        || !response.headers().firstValue("content-type").orElse("").equals("text/event-stream")) {
      throw new AssertionError(response + " " + response.body());
    }
    List<String> events = new ArrayList<>();
    for (String event : response.body().split("\n\n", -1)) {
      if (event.startsWith("data: ")) {
        events.add(event.substring("data: ".length()));
      } else if (!event.isEmpty()) {
        throw new AssertionError("not an event: " + event);
      }
    }
    return events;
  }

  private URI uri(String path) {
    return URI.create("http://127.0.0.1:" + server.port() + path);
  }

  @Override
  public void close() {
    client.close();
    server.close();
  }
}
