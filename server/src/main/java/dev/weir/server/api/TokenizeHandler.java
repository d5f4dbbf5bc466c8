package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.ChatPrompt;
import dev.weir.server.protocol.TokenizeRequest;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code POST /tokenize}: the tokens of a text, or of a chat as the model would see it. */
public final class TokenizeHandler implements Handler {
  private final ServedModel model;

  /** Tokenises for the model. */
  public TokenizeHandler(ServedModel model) {
    this.model = model;
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    TokenizeRequest request = TokenizeRequest.read(exchange.body());
    model.check(request.model());
    ChatPrompt chat = request.chat();
    int[] tokens =
        chat == null
            ? model.encode(request.text(), request.addSpecialTokens())
            : model.encodeChat(chat);
    @Nullable List<String> texts =
        request.returnTokenStrings()
            ? Arrays.stream(tokens)
                .mapToObj(token -> new String(model.tokenBytes(token), StandardCharsets.UTF_8))
                .toList()
            : null;
    byte[] reply = TokenizeRequest.reply(tokens, texts, model.facts().contextLength());
    exchange.respond(200, Router.JSON, reply, Map.of());
  }
}
