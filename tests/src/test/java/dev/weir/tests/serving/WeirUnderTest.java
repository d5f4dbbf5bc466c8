package dev.weir.tests.serving;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.server.api.Api;
import dev.weir.server.api.Heartbeats;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** An engine and its server on a port of its own. */
final class WeirUnderTest implements AutoCloseable {
  static final String MODEL = "under-test";

  /** Far longer than anything here takes: a hang fails the test instead of stopping the build. */
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final Engine engine;
  private final HttpServer server;
  private final HttpClient client = HttpClient.newHttpClient();

  private WeirUnderTest(Engine engine, HttpServer server) {
    this.engine = engine;
    this.server = server;
  }

  static WeirUnderTest serve(EngineOptions options) throws IOException {
    return serve(options, Heartbeats.DEFAULT);
  }

  static WeirUnderTest serve(EngineOptions options, Heartbeats heartbeats) throws IOException {
    Engine engine = Engine.open(options);
    HttpServer server = Api.serve(engine, MODEL, heartbeats, HttpOptions.on("127.0.0.1", 0));
    return new WeirUnderTest(engine, server);
  }

  /** The demo model, as the server's jar carries it. */
  static Path demoModel() {
    return Path.of(
        "..", "server", "src", "main", "resources", "dev", "weir", "server", "demo-model");
  }

  Engine engine() {
    return engine;
  }

  int port() {
    return server.port();
  }

  URI uri(String path) {
    return URI.create("http://127.0.0.1:" + port() + path);
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path)).timeout(PATIENCE).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> delete(String path) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path)).timeout(PATIENCE).DELETE().build(),
        HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> post(String path, Object body) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri(path))
            .timeout(PATIENCE)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(JsonMapper.shared().writeValueAsString(body)))
            .build(),
        HttpResponse.BodyHandlers.ofString());
  }

  static JsonNode json(HttpResponse<String> response) {
    return JsonMapper.shared().readTree(response.body());
  }

  /** Waits until something that must become true is true. */
  static void eventually(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("never happened: " + what);
      }
      Thread.sleep(5);
    }
  }

  @Override
  public void close() {
    server.close();
    engine.close();
  }
}
