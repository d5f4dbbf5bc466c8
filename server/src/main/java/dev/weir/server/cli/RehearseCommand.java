package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.server.api.Heartbeats;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/**
 * Serves the demo model to itself once and ends: what a first request needs is then loaded, and the
 * launcher has the JVM record it. It checks the build by the way.
 */
@Command(name = "rehearse", hidden = true)
final class RehearseCommand implements Callable<Integer> {
  private static final String HOST = "127.0.0.1";
  private static final int TIMEOUT_MILLIS = 60_000;

  /** Enough for the methods of a step to become worth compiling. */
  private static final int TOKENS = 64;

  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Mixin private ModelOptions model = new ModelOptions();

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    EngineOptions options =
        model.engineOptions(null, spec.commandLine().getErr(), UnaryOperator.identity());
    Engine engine = ModelOptions.open(options);
    try (Serving serving = Serving.start(engine, model.name(null), Heartbeats.DEFAULT, HOST, 0)) {
      out.print(serving.greeting());
      out.flush();
      ask(serving.port(), "/v1/completions", "\"prompt\":\"Once upon a time\"");
      if (engine.chatTemplate().isPresent()) {
        ask(
            serving.port(),
            "/v1/chat/completions",
            "\"messages\":[{\"role\":\"user\",\"content\":\"What is 12 + 30?\"}]");
      }
    }
    return ExitStatus.OK;
  }

  private static void ask(int port, String path, String input) throws IOException {
    String body = "{\"stream\":true,\"max_tokens\":%d,%s}".formatted(TOKENS, input);
    String request =
        """
        POST %s HTTP/1.1\r
        Host: %s:%d\r
        Content-Type: application/json\r
        Content-Length: %d\r
        Connection: close\r
        \r
        %s"""
            .formatted(path, HOST, port, body.length(), body);
    try (Socket socket = new Socket(InetAddress.ofLiteral(HOST), port)) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
      InputStream in = socket.getInputStream();
      String reply = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      if (!reply.contains("data: [DONE]")) {
        throw new CommandException(ExitStatus.FAILURE, "the server answered: " + reply);
      }
    }
  }
}
