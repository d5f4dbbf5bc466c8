package dev.weir.server.cli;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.TokenEvent;
import java.io.PrintWriter;

/**
 * What a model said.
 *
 * @param text all of it
 * @param reason why it ended
 */
record Answer(String text, FinishReason reason) {

  /** Prints a generation's only choice token by token, to its end. */
  static Answer print(Generation generation, PrintWriter out) throws InterruptedException {
    StringBuilder text = new StringBuilder();
    FinishReason reason = FinishReason.CANCELLED;
    for (TokenEvent event = generation.next(); event != null; event = generation.next()) {
      String piece =
          switch (event) {
            case TokenEvent.Token token -> token.text();
            case TokenEvent.Finished finished -> {
              reason = finished.reason();
              yield finished.text();
            }
          };
      text.append(piece);
      out.print(piece);
      out.flush();
    }
    return new Answer(text.toString(), reason);
  }
}
