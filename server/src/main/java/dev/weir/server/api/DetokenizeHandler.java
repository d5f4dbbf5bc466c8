package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.DetokenizeRequest;
import java.util.Map;

/** {@code POST /detokenize}: the text of tokens, control tokens included. */
public final class DetokenizeHandler implements Handler {
  private final ServedModel model;

  /** Detokenises for the model. */
  public DetokenizeHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    DetokenizeRequest request = DetokenizeRequest.read(exchange.body(), model.facts());
    model.check(request.model());
    String text = model.decode(request.tokens(), false);
    exchange.respond(200, Router.JSON, DetokenizeRequest.reply(text), Map.of());
  }
}
