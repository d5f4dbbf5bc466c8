package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.Replies;
import java.util.Map;

/** {@code GET /v1/models} and {@code GET /v1/models/NAME}; a name may have slashes. */
public final class ModelsHandler implements Handler {
  /** Where the list is. */
  public static final String PATH = "/v1/models";

  private final ServedModel model;

  /** Tells of the model. */
  public ModelsHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    int context = model.facts().contextLength();
    byte[] json;
    if (exchange.path().equals(PATH)) {
      json = Replies.models(model.name(), model.created(), context);
    } else {
      model.check(exchange.path().substring(PATH.length() + 1));
      json = Replies.model(model.name(), model.created(), context);
    }
    exchange.respond(200, Router.JSON, json, Map.of());
  }
}
