package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.EngineReplies;
import java.util.Map;

/** {@code GET /v1/weir/shards}: what each shard holds. */
public final class ShardsHandler implements Handler {
  private final ServedModel model;

  /** Tells of the model's shards. */
  public ShardsHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    exchange.respond(200, Router.JSON, EngineReplies.shards(model.shards()), Map.of());
  }
}
