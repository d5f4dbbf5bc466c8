package dev.weir.server.api;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.TokenEvent;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.protocol.Chunks;
import java.time.Duration;

/** Writes a generation's events to a stream as they come. */
final class TokenPump {
  /** A person sees a bar move; a step of a long prompt takes about as long. */
  private static final Duration PROGRESS_INTERVAL = Duration.ofMillis(250);

  private final Chunks chunks;
  private final LiveStream stream;
  private final boolean includeProgress;

  /**
   * Writes to a stream.
   *
   * @param includeProgress whether to tell how much of the prompt has been read
   */
  TokenPump(Chunks chunks, LiveStream stream, boolean includeProgress) {
    this.chunks = chunks;
    this.stream = stream;
    this.includeProgress = includeProgress;
  }

  /** Reads to the generation's end. */
  void run(Completing.Source source) throws InterruptedException, ClientGoneException {
    Generation generation = source.generation();
    int[] written = new int[source.choices()];
    if (!source.echo().isEmpty()) {
      for (int choice = 0; choice < source.choices(); choice++) {
        stream.write(chunks.text(source.firstChoice() + choice, source.echo()));
        written[choice] = length(source.echo());
      }
    }
    if (includeProgress) {
      tellProgress(source);
    }
    TokenEvent event = stream.next(generation);
    while (event != null) {
      int choice = source.firstChoice() + event.choice();
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
          stream.write(chunks.finish(choice, finished.reason(), generation.account()));
        }
      }
      event = stream.next(generation);
    }
  }

  /** Until the first event. */
  private void tellProgress(Completing.Source source)
      throws InterruptedException, ClientGoneException {
    Generation generation = source.generation();
    int prompt = generation.promptTokens().length;
    int told = -1;
    boolean begun = false;
    while (!begun) {
      int prefilled = generation.prefilledTokens();
      if (prefilled != told) {
        stream.write(Chunks.progress(source.firstChoice(), prefilled, prompt));
        told = prefilled;
      }
      begun = stream.await(generation, PROGRESS_INTERVAL);
    }
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }
}
