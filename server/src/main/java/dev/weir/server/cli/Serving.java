package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.server.api.Api;
import dev.weir.server.api.Heartbeats;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.Locale;

/** An engine behind an HTTP server. */
final class Serving implements AutoCloseable {
  private final Engine engine;
  private final String model;
  private final String host;
  private final HttpServer server;

  private Serving(Engine engine, String model, String host, HttpServer server) {
    this.engine = engine;
    this.model = model;
    this.host = host;
    this.server = server;
  }

  /**
   * Begins to serve; closes the engine where that is not possible.
   *
   * @param model what requests call the model
   * @throws CommandException if the address cannot be used
   */
  static Serving start(Engine engine, String model, Heartbeats heartbeats, String host, int port) {
    try {
      HttpServer server = Api.serve(engine, model, heartbeats, HttpOptions.on(host, port));
      return new Serving(engine, model, host, server);
    } catch (IOException e) {
      engine.close();
      throw cannotListen(host, port, e);
    }
  }

  /**
   * Finds out whether an address can be used, so that nobody waits for weights in vain.
   *
   * @throws CommandException if it cannot
   */
  static void checkAddress(String host, int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(host, port));
    } catch (IOException | IllegalArgumentException e) {
      throw cannotListen(host, port, e);
    }
  }

  private static CommandException cannotListen(String host, int port, Exception failure) {
    Throwable cause = failure.getCause() == null ? failure : failure.getCause();
    return new CommandException(
        ExitStatus.ADDRESS,
        "cannot listen on %s port %d: %s; choose another with --host and --port"
            .formatted(host, port, Failures.describe(cause)),
        failure);
  }

  /** The port in use, also where 0 was asked for. */
  int port() {
    return server.port();
  }

  /** What is served, and a command to try. */
  String greeting() {
    String url = "http://" + reachable() + ":" + port();
    boolean chats = engine.chatTemplate().isPresent();
    String path = chats ? "/v1/chat/completions" : "/v1/completions";
    String body =
        chats
            ? "{\"messages\":[{\"role\":\"user\",\"content\":\"What is 12 + 30?\"}]}"
            : "{\"prompt\":\"Once upon a time\",\"max_tokens\":64}";
    return String.format(
        Locale.ROOT,
        """
        Weir serves %s at %s/v1

          device   %s
          context  %,d tokens, prompt and answer together
          memory   keys and values of %,d tokens

        Try it:

          curl %s%s -H 'Content-Type: application/json' -d '%s'

        """,
        model,
        url,
        engine.deviceName(),
        engine.contextLength(),
        engine.kvTokens(),
        url,
        path,
        body);
  }

  /** Where a client on this machine finds a server that listens on every address. */
  private String reachable() {
    return switch (host) {
      case "0.0.0.0", "::" -> "127.0.0.1";
      default -> host.contains(":") ? "[" + host + "]" : host;
    };
  }

  /** Lets running requests end, then ends. */
  @Override
  public void close() {
    server.close();
    engine.close();
  }
}
