package dev.weir.server.api;

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
import dev.weir.server.protocol.Replies;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** What the two completion endpoints have in common: waiting, streaming, and ending early. */
final class Completing {
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

  /** Waits for the whole result of each. */
  static List<Completion> await(Exchange exchange, List<Generation> generations)
      throws InterruptedException, ClientGoneException {
    List<Completion> completions = new ArrayList<>(generations.size());
    for (Generation generation : generations) {
      completions.add(generation.await());
    }
    if (exchange.isDisconnected()) {
      throw new ClientGoneException("the client went away while its request ran");
    }
    for (Completion completion : completions) {
      if (completion.choices().stream().anyMatch(c -> c.reason() == FinishReason.CANCELLED)) {
        throw new RequestFailedException("it was cancelled");
      }
    }
    return completions;
  }

  /** How one generation is streamed. */
  record Source(Generation generation, int firstChoice, int choices, String echo) {}

  /** Streams all generations, their chunks interleaved as they come, to the last event. */
  static void stream(
      Exchange exchange, Chunks chunks, boolean roles, boolean includeUsage, List<Source> sources)
      throws InterruptedException, ClientGoneException {
    ResponseStream stream = exchange.startStream(200, "text/event-stream", STREAM_HEADERS);
    try {
      if (roles) {
        for (Source source : sources) {
          for (int i = 0; i < source.choices(); i++) {
            stream.write(chunks.role(source.firstChoice() + i));
          }
        }
      }
      pump(new TokenPump(chunks, stream), sources);
      if (includeUsage) {
        Usage usage =
            sources.stream()
                .map(source -> source.generation().usage())
                .reduce(new Usage(0, 0, 0), Replies::sum);
        stream.write(chunks.usage(usage));
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

  private static void pump(TokenPump pump, List<Source> sources)
      throws InterruptedException, ClientGoneException {
    if (sources.size() == 1) {
      run(pump, sources.getFirst());
      return;
    }
    // Each generation is read by one blocked thread; the stream takes whole chunks from any.
    try (ExecutorService readers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (Source source : sources) {
        running.add(
            readers.submit(
                () -> {
                  run(pump, source);
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

  private static void run(TokenPump pump, Source source)
      throws InterruptedException, ClientGoneException {
    pump.run(source.generation(), source.firstChoice(), source.choices(), source.echo());
  }
}
