package dev.weir.server.api;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.Chunks;
import dev.weir.server.protocol.CompletionRequest;
import dev.weir.server.protocol.Replies;
import dev.weir.server.protocol.ReplyForm;
import dev.weir.server.protocol.ReplyHead;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** {@code POST /v1/completions}. */
public final class CompletionsHandler implements Handler {
  private final ServedModel model;
  private final Heartbeats heartbeats;
  private final InstantSource clock;

  /** Serves the model; the clock dates replies. */
  public CompletionsHandler(ServedModel model, Heartbeats heartbeats, InstantSource clock) {
    this.model = model;
    this.heartbeats = heartbeats;
    this.clock = clock;
  }

  @Override
  public void handle(Exchange exchange) throws InterruptedException, ClientGoneException {
    CompletionRequest request =
        CompletionRequest.read(exchange.body(), exchange::headers, model.facts());
    model.check(request.model());
    ReplyHead head =
        new ReplyHead(Completing.newId("cmpl-"), clock.instant().getEpochSecond(), model.name());
    List<Generation> generations = new ArrayList<>();
    try {
      for (Prompt prompt : request.prompts()) {
        generations.add(
            model.submit(
                new Request(
                    prompt,
                    request.sampling(),
                    request.choices(),
                    request.skipSpecialTokens(),
                    request.terms())));
      }
      Completing.cancelOnDisconnect(exchange, generations);
      answer(exchange, request, head, generations);
    } finally {
      generations.forEach(Generation::close);
    }
  }

  private void answer(
      Exchange exchange, CompletionRequest request, ReplyHead head, List<Generation> generations)
      throws InterruptedException, ClientGoneException {
    boolean logprobs = request.sampling().logprobs() != Sampling.NO_LOGPROBS;
    @Nullable IntFunction<byte[]> vocabulary = logprobs ? model::tokenBytes : null;
    List<String> echoes =
        request.prompts().stream()
            .map(prompt -> request.echo() ? text(prompt, request.skipSpecialTokens()) : "")
            .toList();
    ReplyForm form = request.form();
    if (!form.stream()) {
      Completing.reply(
          exchange,
          generations,
          heartbeats.of(form),
          outcomes ->
              Replies.completion(head, outcomes, echoes, vocabulary, form.includeAccount()));
      return;
    }
    List<Completing.Source> sources = new ArrayList<>();
    for (int i = 0; i < generations.size(); i++) {
      sources.add(
          new Completing.Source(
              generations.get(i), i * request.choices(), request.choices(), echoes.get(i)));
    }
    Chunks chunks = Chunks.completions(head, form.includeUsage(), vocabulary);
    Completing.stream(exchange, chunks, false, form, heartbeats.of(form), sources);
  }

  private String text(Prompt prompt, boolean skipSpecialTokens) {
    return switch (prompt) {
      case Prompt.Text(String text, _) -> text;
      case Prompt.Tokens(int[] ids) -> model.decode(ids, skipSpecialTokens);
    };
  }
}
