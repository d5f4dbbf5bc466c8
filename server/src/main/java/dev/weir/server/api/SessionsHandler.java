package dev.weir.server.api;

import dev.weir.engine.request.SessionInfo;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.EngineReplies;
import dev.weir.server.protocol.Query;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * {@code GET /v1/sessions}, {@code GET} and {@code DELETE /v1/sessions/ID}; an id is
 * percent-encoded and may have slashes.
 */
public final class SessionsHandler implements Handler {
  /** Where the list is. */
  public static final String PATH = "/v1/sessions";

  /** A screen or two. */
  private static final int DEFAULT_LIMIT = 100;

  /** A reply of a few megabytes. */
  private static final int MAX_LIMIT = 10_000;

  private final ServedModel model;

  /** Tells of the model's sessions. */
  public SessionsHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    if (exchange.path().equals(PATH)) {
      exchange.respond(200, Router.JSON, list(exchange), Map.of());
      return;
    }
    String id = EngineReplies.sessionId(exchange.path().substring(PATH.length() + 1));
    if (exchange.method().equals("DELETE")) {
      model.endSession(id);
      exchange.respond(204, "", new byte[0], Map.of());
    } else {
      exchange.respond(200, Router.JSON, EngineReplies.session(model.session(id)), Map.of());
    }
  }

  /** The active ones first, then those that were active last. */
  private byte[] list(Exchange exchange) {
    long limit = Query.integer(exchange.query(), "limit", DEFAULT_LIMIT, 1, MAX_LIMIT);
    List<SessionInfo> all = model.sessions();
    List<SessionInfo> shown =
        all.stream()
            .sorted(
                Comparator.comparing((SessionInfo session) -> session.activeRequests() == 0)
                    .thenComparingLong(SessionInfo::idleNanos)
                    .thenComparing(SessionInfo::id))
            .limit(limit)
            .toList();
    return EngineReplies.sessions(shown, all.size());
  }
}
