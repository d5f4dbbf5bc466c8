package dev.weir.server.api;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.ChatRequest;
import dev.weir.server.protocol.Chunks;
import dev.weir.server.protocol.Replies;
import dev.weir.server.protocol.ReplyForm;
import dev.weir.server.protocol.ReplyHead;
import java.time.InstantSource;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** {@code POST /v1/chat/completions}. */
public final class ChatCompletionsHandler implements Handler {
  private final ServedModel model;
  private final Heartbeats heartbeats;
  private final InstantSource clock;

  /** Serves the model; the clock dates replies. */
  public ChatCompletionsHandler(ServedModel model, Heartbeats heartbeats, InstantSource clock) {
    this.model = model;
    this.heartbeats = heartbeats;
    this.clock = clock;
  }

  @Override
  public void handle(Exchange exchange) throws InterruptedException, ClientGoneException {
    ChatRequest request = ChatRequest.read(exchange.body(), exchange::headers, model.facts());
    model.check(request.model());
    ReplyHead head =
        new ReplyHead(
            Completing.newId("chatcmpl-"), clock.instant().getEpochSecond(), model.name());
    boolean logprobs = request.sampling().logprobs() != Sampling.NO_LOGPROBS;
    @Nullable IntFunction<byte[]> vocabulary = logprobs ? model::tokenBytes : null;
    try (Generation generation = submit(request)) {
      Completing.cancelOnDisconnect(exchange, List.of(generation));
      ReplyForm form = request.form();
      if (form.stream()) {
        Chunks chunks = Chunks.chat(head, form.includeUsage(), vocabulary);
        List<Completing.Source> sources =
            List.of(new Completing.Source(generation, 0, request.choices(), ""));
        Completing.stream(exchange, chunks, true, form, heartbeats.of(form), sources);
      } else {
        Completing.reply(
            exchange,
            List.of(generation),
            heartbeats.of(form),
            outcomes -> Replies.chat(head, outcomes.getFirst(), vocabulary, form.includeAccount()));
      }
    }
  }

  private Generation submit(ChatRequest request) {
    try {
      Prompt prompt = new Prompt.Tokens(model.encodeChat(request.prompt()));
      return model.submit(
          new Request(
              prompt,
              request.sampling(),
              request.choices(),
              request.skipSpecialTokens(),
              request.terms()));
    } catch (InvalidRequestException e) {
      // What the client sent are messages; the prompt is what became of them.
      throw e.parameter().equals("prompt")
          ? new InvalidRequestException("messages", String.valueOf(e.getMessage()))
          : e;
    }
  }
}
