package dev.weir.tests.bench.load;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * One streamed completion of a prompt of token ids: when each piece arrived, how it ended. A piece
 * is a chunk of the answer, which is one token on most servers; {@code usage} says how many they
 * were.
 */
final class StreamedCompletion {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String DATA = "data:";
  private static final String DONE = "[DONE]";

  private final Target target;
  private final Body body;
  private final List<Long> arrivals = new ArrayList<>();
  private final Thread thread;
  private volatile boolean stopped;
  private volatile @Nullable String error;
  private int promptTokens;
  private int outputTokens;

  private record Body(
      String model,
      int[] prompt,
      int max_tokens,
      double temperature,
      boolean stream,
      boolean ignore_eos,
      Map<String, Object> stream_options) {}

  private StreamedCompletion(Target target, int[] prompt, int maxTokens) {
    this.target = target;
    body =
        new Body(target.model(), prompt, maxTokens, 0, true, true, Map.of("include_usage", true));
    thread = Thread.ofVirtual().unstarted(this::run);
  }

  /** Sends a request and reads its answer on a thread of its own. */
  static StreamedCompletion start(Target target, int[] prompt, int maxTokens) {
    StreamedCompletion completion = new StreamedCompletion(target, prompt, maxTokens);
    completion.thread.start();
    return completion;
  }

  private void run() {
    try {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(target.url().resolve("/v1/completions"))
              .header("Content-Type", "application/json")
              .timeout(target.patience())
              .POST(BodyPublishers.ofString(JSON.writeValueAsString(body)));
      HttpResponse<Stream<String>> response =
          target.client().send(request.build(), BodyHandlers.ofLines());
      try (Stream<String> lines = response.body()) {
        if (response.statusCode() != 200) {
          error = "HTTP " + response.statusCode() + ": " + lines.findFirst().orElse("");
          return;
        }
        for (Iterator<String> line = lines.iterator(); !stopped && line.hasNext(); ) {
          read(line.next());
        }
      }
    } catch (IOException | RuntimeException failure) {
      error = stopped ? null : failure.toString();
    } catch (InterruptedException interrupted) {
      error = null; // stopped while it waited
    }
  }

  private void read(String line) {
    if (!line.startsWith(DATA)) {
      return;
    }
    String data = line.substring(DATA.length()).strip();
    if (data.equals(DONE)) {
      return;
    }
    JsonNode chunk = JSON.readTree(data);
    if (chunk.has("error")) {
      error = chunk.get("error").toString();
      return;
    }
    JsonNode choices = chunk.path("choices");
    boolean last = choices.path(0).path("finish_reason").isString();
    if (!choices.isEmpty() && !last) {
      synchronized (arrivals) {
        arrivals.add(System.nanoTime());
      }
    }
    JsonNode usage = chunk.path("usage");
    if (usage.isObject()) {
      promptTokens = usage.path("prompt_tokens").asInt(0);
      outputTokens = usage.path("completion_tokens").asInt(0);
    }
  }

  /** Closes the connection; the server should give up the request. */
  void stop() {
    stopped = true;
    thread.interrupt();
  }

  /** Waits for the end. */
  StreamedCompletion await() throws InterruptedException {
    thread.join();
    return this;
  }

  boolean running() {
    return thread.isAlive();
  }

  /** When pieces arrived, in order. */
  List<Long> arrivals() {
    synchronized (arrivals) {
      return List.copyOf(arrivals);
    }
  }

  /** What went wrong; null if nothing did. */
  @Nullable String error() {
    return error;
  }

  int promptTokens() {
    return promptTokens;
  }

  int outputTokens() {
    return outputTokens;
  }
}
