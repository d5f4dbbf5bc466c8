package dev.weir.server.api;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Usage;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.ResponseStream;
import dev.weir.server.protocol.ApiException;
import dev.weir.server.protocol.Chunks;
import dev.weir.server.protocol.Outcome;
import dev.weir.server.protocol.Replies;
import dev.weir.server.protocol.ReplyForm;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What the two completion endpoints have in common: waiting, streaming, and ending early. */
final class Completing {
  /** Says which shard served the request, where that is known before the body begins. */
  static final String SHARD_HEADER = "X-Weir-Shard";

  private static final Map<String, String> STREAM_HEADERS =
      Map.of("Cache-Control", "no-cache", "X-Accel-Buffering", "no");

  private Completing() {}

  static String newId(String prefix) {
    return prefix + UUID.randomUUID().toString().replace("-", "");
  }

  /** Cancels the generations as soon as their client is gone. */
  static void cancelOnDisconnect(Exchange exchange, List<Generation> generations) {
    exchange.onDisconnect(() -> generations.forEach(Generation::cancel));
  }

  /**
   * Waits for the whole result of each and answers with it.
   *
   * @param silence how long nothing may be written; zero: for ever
   * @param json the reply
   */
  static void reply(
      Exchange exchange,
      List<Generation> generations,
      Duration silence,
      Function<List<Outcome>, byte[]> json)
      throws InterruptedException, ClientGoneException {
    PendingReply reply = new PendingReply(exchange, silence);
    List<Outcome> outcomes = new ArrayList<>(generations.size());
    try {
      for (Generation generation : generations) {
        Completion completion = await(generation, reply.heartbeat());
        outcomes.add(new Outcome(completion, generation.account()));
      }
      checkNotCancelled(exchange, outcomes);
    } catch (RuntimeException failure) {
      if (exchange.isDisconnected()) {
        throw gone();
      }
      reply.fail(ApiException.from(failure).orElseThrow(() -> failure));
      return;
    }
    reply.respond(json.apply(outcomes), shard(generations));
  }

  private static Completion await(Generation generation, Heartbeat heartbeat)
      throws InterruptedException, ClientGoneException {
    boolean going = heartbeat.beats();
    while (going) {
      if (generation.awaitEvent(heartbeat.untilDue())) {
        going = generation.next() != null;
      }
      heartbeat.beatIfDue();
    }
    return generation.await();
  }

  private static void checkNotCancelled(Exchange exchange, List<Outcome> outcomes)
      throws ClientGoneException {
    if (exchange.isDisconnected()) {
      throw gone();
    }
    for (Outcome outcome : outcomes) {
      if (outcome.completion().choices().stream()
          .anyMatch(choice -> choice.reason() == FinishReason.CANCELLED)) {
        throw new RequestFailedException("it was cancelled");
      }
    }
  }

  private static ClientGoneException gone() {
    return new ClientGoneException("the client went away while its request ran");
  }

  /** The shard as a header, where there is one prompt and one is known. */
  private static Map<String, String> shard(List<Generation> generations) {
    int shard = generations.size() == 1 ? generations.getFirst().account().shard() : -1;
    return shard < 0 ? Map.of() : Map.of(SHARD_HEADER, Integer.toString(shard));
  }

  /** How one generation is streamed. */
  record Source(Generation generation, int firstChoice, int choices, String echo) {}

  /**
   * Streams all generations, their chunks interleaved as they come, to the last event.
   *
   * @param roles whether each choice begins with a chunk that has its role
   * @param silence how long nothing may be written; zero: for ever
   */
  static void stream(
      Exchange exchange,
      Chunks chunks,
      boolean roles,
      ReplyForm form,
      Duration silence,
      List<Source> sources)
      throws InterruptedException, ClientGoneException {
    Map<String, String> headers = new LinkedHashMap<>(STREAM_HEADERS);
    headers.putAll(shard(sources.stream().map(Source::generation).toList()));
    ResponseStream body = exchange.startStream(200, "text/event-stream", headers);
    LiveStream stream = new LiveStream(body, silence);
    try {
      if (roles) {
        for (Source source : sources) {
          for (int i = 0; i < source.choices(); i++) {
            stream.write(chunks.role(source.firstChoice() + i));
          }
        }
      }
      pump(new TokenPump(chunks, stream, form.includeProgress()), sources);
      if (form.includeUsage() || form.includeAccount()) {
        stream.write(end(chunks, form, sources));
      }
      stream.write(Chunks.done());
    } catch (RuntimeException failure) {
      if (exchange.isDisconnected()) {
        throw new ClientGoneException("the client went away in the middle of its stream");
      }
      ApiException error = ApiException.from(failure).orElseThrow(() -> failure);
      stream.write(Chunks.error(error));
    }
    // Only now: a stream left open by a failure is cut, which no client takes for a whole answer.
    stream.close();
  }

  private static byte[] end(Chunks chunks, ReplyForm form, List<Source> sources) {
    @Nullable Usage usage =
        form.includeUsage()
            ? sources.stream()
                .map(source -> source.generation().usage())
                .reduce(new Usage(0, 0, 0), Replies::sum)
            : null;
    List<Account> accounts =
        form.includeAccount()
            ? sources.stream().map(source -> source.generation().account()).toList()
            : List.of();
    return chunks.end(usage, accounts);
  }

  private static void pump(TokenPump pump, List<Source> sources)
      throws InterruptedException, ClientGoneException {
    if (sources.size() == 1) {
      pump.run(sources.getFirst());
      return;
    }
    // Each generation is read by one blocked thread; the stream takes whole chunks from any.
    try (ExecutorService readers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (Source source : sources) {
        running.add(
            readers.submit(
                () -> {
                  pump.run(source);
                  return null;
                }));
      }
      for (Future<?> one : running) {
        try {
          one.get();
        } catch (ExecutionException e) {
          sources.forEach(source -> source.generation().cancel());
          switch (e.getCause()) {
            case ClientGoneException gone -> throw gone;
            case RuntimeException failure -> throw failure;
            case null, default -> throw new IllegalStateException(e.getCause());
          }
        }
      }
    }
  }
}
