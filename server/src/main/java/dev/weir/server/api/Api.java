package dev.weir.server.api;

import dev.weir.engine.Engine;
import dev.weir.server.http.Handler;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.time.InstantSource;

/** All endpoints of one served model. */
public final class Api {
  private Api() {}

  /**
   * Serves an engine's model. Close the server before the engine.
   *
   * @param name what requests call the model
   * @throws IOException if the address cannot be bound
   */
  public static HttpServer serve(Engine engine, String name, HttpOptions options)
      throws IOException {
    return serve(engine, name, Heartbeats.DEFAULT, options);
  }

  /**
   * The same with other heartbeats.
   *
   * @throws IOException if the address cannot be bound
   */
  public static HttpServer serve(
      Engine engine, String name, Heartbeats heartbeats, HttpOptions options) throws IOException {
    InstantSource clock = InstantSource.system();
    PrometheusRegistry registry = new PrometheusRegistry();
    EngineMetrics.registerEngine(registry, engine::stats);
    EngineMetrics.registerShards(registry, engine::shards);
    EngineMetrics.registerTarget(registry, engine.scheduling());
    EngineMetrics.registerJournal(registry, engine::journalStats);
    Router router =
        router(
            new EngineModel(engine, name, clock.instant().getEpochSecond()),
            heartbeats,
            new HealthHandler(
                () -> engine.stats().heartbeatAgeNanos(), HealthHandler.DEFAULT_LIMIT),
            new MetricsHandler(registry),
            clock);
    HttpServer server = HttpServer.start(options, router, Router.errorBody());
    EngineMetrics.registerHttp(registry, server::stats);
    return server;
  }

  /**
   * The router of a server.
   *
   * @param clock dates replies
   */
  static Router router(
      ServedModel model,
      Heartbeats heartbeats,
      HealthHandler health,
      Handler metrics,
      InstantSource clock) {
    ModelsHandler models = new ModelsHandler(model);
    SessionsHandler sessions = new SessionsHandler(model);
    return PageHandler.addTo(Router.builder())
        .post("/v1/completions", new CompletionsHandler(model, heartbeats, clock))
        .post("/v1/chat/completions", new ChatCompletionsHandler(model, heartbeats, clock))
        .get(ModelsHandler.PATH, models)
        .get(ModelsHandler.PATH + "/", models)
        .get(SessionsHandler.PATH, sessions)
        .get(SessionsHandler.PATH + "/", sessions)
        .delete(SessionsHandler.PATH + "/", sessions)
        .get("/v1/weir/shards", new ShardsHandler(model))
        .get("/v1/weir/steps", new StepsHandler(model))
        .post("/tokenize", new TokenizeHandler(model))
        .post("/detokenize", new DetokenizeHandler(model))
        .get("/health", health)
        .get("/metrics", metrics)
        .build();
  }
}
