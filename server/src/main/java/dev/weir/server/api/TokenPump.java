package dev.weir.server.api;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.TokenEvent;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.ResponseStream;
import dev.weir.server.protocol.Chunks;

/** Writes a generation's events to a stream as they come. */
final class TokenPump {
  private final Chunks chunks;
  private final ResponseStream stream;

  TokenPump(Chunks chunks, ResponseStream stream) {
    this.chunks = chunks;
    this.stream = stream;
  }

  /**
   * Reads to the generation's end.
   *
   * @param firstChoice index of its first choice in the reply
   * @param choices how many it has
   * @param echo what each choice's text begins with; possibly empty
   */
  void run(Generation generation, int firstChoice, int choices, String echo)
      throws InterruptedException, ClientGoneException {
    int[] written = new int[choices];
    if (!echo.isEmpty()) {
      for (int choice = 0; choice < choices; choice++) {
        stream.write(chunks.text(firstChoice + choice, echo));
        written[choice] = length(echo);
      }
    }
    TokenEvent event = generation.next();
    while (event != null) {
      int choice = firstChoice + event.choice();
      switch (event) {
        case TokenEvent.Token token -> {
          if (!token.text().isEmpty() || chunks.tellsEveryToken()) {
            stream.write(chunks.token(choice, token, written[token.choice()]));
            written[token.choice()] += length(token.text());
          }
        }
        case TokenEvent.Finished finished -> {
          if (finished.reason() == FinishReason.CANCELLED) {
            throw new RequestFailedException("it was cancelled");
          }
          if (!finished.text().isEmpty()) {
            stream.write(chunks.text(choice, finished.text()));
          }
          stream.write(chunks.finish(choice, finished.reason()));
        }
      }
      event = generation.next();
    }
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }
}
