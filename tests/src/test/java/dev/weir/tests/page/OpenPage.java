package dev.weir.tests.page;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A page in a running Chromium, told what to do over the DevTools protocol. */
final class OpenPage implements AutoCloseable {
  /** Far longer than anything here takes. */
  private static final int PATIENCE_SECONDS = 60;

  private static final int LOOK_MILLIS = 20;

  private final Process process;
  private final HttpClient client = HttpClient.newHttpClient();
  private final URI devTools;
  private final String target;
  private final WebSocket socket;
  private final Map<Integer, CompletableFuture<JsonNode>> answers = new ConcurrentHashMap<>();
  private int commands;

  private OpenPage(Process process, URI devTools, URI page)
      throws IOException, InterruptedException {
    this.process = process;
    this.devTools = devTools;
    JsonNode tab = tab(page);
    target = tab.get("id").asString();
    socket =
        client
            .newWebSocketBuilder()
            .buildAsync(URI.create(tab.get("webSocketDebuggerUrl").asString()), new Answers())
            .join();
  }

  /** The page that a browser which has just been started shows. */
  static OpenPage of(Process process, Path profile, URI page)
      throws IOException, InterruptedException {
    try {
      Path port = profile.resolve("DevToolsActivePort");
      for (long end = end(); !Files.exists(port) || Files.size(port) == 0; ) {
        pause(end, "the browser does not say its port");
      }
      String number = Files.readString(port).lines().findFirst().orElseThrow();
      return new OpenPage(process, URI.create("http://127.0.0.1:" + number), page);
    } catch (IOException | InterruptedException | RuntimeException | Error failure) {
      end(process);
      throw failure;
    }
  }

  private static long end() {
    return System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
  }

  private static void pause(long end, String otherwise) throws InterruptedException {
    if (System.nanoTime() > end) {
      throw new AssertionError(otherwise);
    }
    Thread.sleep(LOOK_MILLIS);
  }

  private JsonNode tab(URI page) throws IOException, InterruptedException {
    for (long end = end(); ; pause(end, "the browser has no tab with " + page)) {
      for (JsonNode tab : ask("GET", "/json/list")) {
        if (tab.get("url").asString().equals(page.toString())) {
          return tab;
        }
      }
    }
  }

  private JsonNode ask(String method, String path) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(devTools.resolve(path))
            .method(method, HttpRequest.BodyPublishers.noBody())
            .build();
    String answer = client.send(request, BodyHandlers.ofString()).body();
    return answer.startsWith("{") || answer.startsWith("[")
        ? JsonMapper.shared().readTree(answer)
        : JsonMapper.shared().createObjectNode();
  }

  /** Commands' answers; what else the browser tells is nobody's concern. */
  private final class Answers implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        JsonNode answer = JsonMapper.shared().readTree(text.toString());
        text.setLength(0);
        CompletableFuture<JsonNode> waiting = answers.remove(answer.path("id").asInt(0));
        if (waiting != null) {
          waiting.complete(answer);
        }
      }
      from.request(1);
      return CompletableFuture.completedStage(null);
    }
  }

  private JsonNode command(String method, Map<String, ?> parameters) throws InterruptedException {
    int id = ++commands;
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    answers.put(id, answer);
    socket
        .sendText(
            JsonMapper.shared()
                .writeValueAsString(Map.of("id", id, "method", method, "params", parameters)),
            true)
        .join();
    try {
      JsonNode answered = answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      if (answered.has("error")) {
        throw new AssertionError(method + ": " + answered);
      }
      return answered.get("result");
    } catch (ExecutionException | TimeoutException e) {
      throw new AssertionError("no answer to " + method, e);
    }
  }

  /** What an expression is in the page, as text. */
  String evaluate(String script) throws InterruptedException {
    JsonNode result = command("Runtime.evaluate", Map.of("expression", "String(" + script + ")"));
    if (result.has("exceptionDetails")) {
      throw new AssertionError(script + ": " + result);
    }
    return result.at("/result/value").asString();
  }

  /** Waits until an expression is something. */
  void await(String script, String value) throws InterruptedException {
    String is = evaluate(script);
    for (long end = end(); !is.equals(value); is = evaluate(script)) {
      pause(end, script + " is " + is + ", never " + value);
    }
  }

  /** Presses and releases a key, by its name in JavaScript. */
  void press(String key) throws InterruptedException {
    int code =
        switch (key) {
          case "Tab" -> 9;
          case "Escape" -> 27;
          case "PageUp" -> 33;
          case "PageDown" -> 34;
          case "End" -> 35;
          case "Home" -> 36;
          case "ArrowLeft" -> 37;
          case "ArrowUp" -> 38;
          case "ArrowRight" -> 39;
          case "ArrowDown" -> 40;
          default -> throw new IllegalArgumentException(key);
        };
    for (String type : new String[] {"rawKeyDown", "keyUp"}) {
      command(
          "Input.dispatchKeyEvent",
          Map.of("type", type, "key", key, "code", key, "windowsVirtualKeyCode", code));
    }
  }

  /** Opens another tab over the page. */
  void hide() throws IOException, InterruptedException {
    ask("PUT", "/json/new?about:blank");
    await("document.hidden", "true");
  }

  /** Goes back to its tab. */
  void show() throws IOException, InterruptedException {
    ask("GET", "/json/activate/" + target);
    await("document.hidden", "false");
  }

  private static void end(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  @Override
  public void close() {
    socket.abort();
    client.close();
    end(process);
    process.onExit().orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
  }
}
