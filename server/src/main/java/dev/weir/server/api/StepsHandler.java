package dev.weir.server.api;

import dev.weir.engine.request.StepRecord;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.EngineReplies;
import dev.weir.server.protocol.Query;
import java.util.List;
import java.util.Map;

/** {@code GET /v1/weir/steps?after=N}: the last steps, for who follows them. */
public final class StepsHandler implements Handler {
  /** Seconds of steps, and less than a megabyte; the rest comes with the next request. */
  private static final int MAX_STEPS = 4096;

  private final ServedModel model;

  /** Tells of the model's steps. */
  public StepsHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    long after = Query.integer(exchange.query(), "after", -1, -1, Long.MAX_VALUE);
    List<StepRecord> steps = model.steps(after);
    boolean more = steps.size() > MAX_STEPS;
    byte[] json = EngineReplies.steps(more ? steps.subList(0, MAX_STEPS) : steps, more);
    exchange.respond(200, Router.JSON, json, Map.of());
  }
}
