package dev.weir.tests.page;

import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.server.api.PageHandler;
import dev.weir.server.api.Router;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import dev.weir.server.protocol.EngineReplies;
import dev.weir.server.protocol.Replies;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;

/** The page over numbers that a test makes up. */
final class ScriptedServer implements AutoCloseable {
  volatile String model = "scripted";
  volatile List<StepRecord> steps = List.of();
  volatile List<ShardStats> shards = List.of();
  volatile List<SessionInfo> sessions = List.of();
  volatile String metrics = "";

  /** Whether it fails at a poll, by the poll's number from 1. */
  volatile IntPredicate fails = _ -> false;

  private final AtomicInteger polls = new AtomicInteger();
  private final HttpServer server;

  ScriptedServer() throws IOException {
    server =
        HttpServer.start(
            HttpOptions.on("127.0.0.1", 0),
            PageHandler.addTo(Router.builder())
                .get("/v1/models", json(() -> Replies.models(model, 0, 4096)))
                .get("/v1/weir/steps", json(() -> EngineReplies.steps(steps, false)))
                .get("/v1/weir/shards", this::shards)
                .get("/v1/sessions", json(() -> EngineReplies.sessions(sessions, sessions.size())))
                .get("/metrics", json(() -> metrics.getBytes(StandardCharsets.UTF_8)))
                .build(),
            Router.errorBody());
  }

  private interface Body {
    byte[] bytes();
  }

  private static Handler json(Body body) {
    return exchange -> exchange.respond(200, "application/json", body.bytes(), Map.of());
  }

  private void shards(Exchange exchange) throws IOException {
    boolean failed = fails.test(polls.incrementAndGet());
    byte[] body = failed ? new byte[0] : EngineReplies.shards(shards);
    exchange.respond(failed ? 503 : 200, "application/json", body, Map.of());
  }

  URI uri() {
    return URI.create("http://127.0.0.1:" + server.port() + "/");
  }

  int polls() {
    return polls.get();
  }

  @Override
  public void close() {
    server.close();
  }
}
