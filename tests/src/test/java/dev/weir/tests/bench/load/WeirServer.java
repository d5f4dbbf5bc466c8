package dev.weir.tests.bench.load;

import dev.weir.tests.bench.RandomModel;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A server under load: Weir in a process of its own, started by the launcher on a free port, or one
 * that runs already.
 */
final class WeirServer implements AutoCloseable {
  static final String MODEL_NAME = "bench";

  /** The launcher; set by the script that starts a benchmark. */
  private static final String LAUNCHER_PROPERTY = "weir.launcher";

  private static final Duration START_LIMIT = Duration.ofMinutes(5);
  private static final Duration STOP_LIMIT = Duration.ofSeconds(20);
  private static final Duration HEALTH_LIMIT = Duration.ofSeconds(10);

  /** Between looks at a server that starts. */
  private static final Duration LOOK = Duration.ofMillis(100);

  private static final int OK = 200;

  private final @Nullable Process process;
  private final URI url;

  private WeirServer(@Nullable Process process, URI url) {
    this.process = process;
    this.url = url;
  }

  /** A server that somebody else started and will end. */
  static WeirServer running(URI url) {
    return new WeirServer(null, url);
  }

  /**
   * Starts a server and waits until it is healthy.
   *
   * @param model a directory, or the name of a random model's shape
   * @param options for {@code weir serve}, separated by spaces
   */
  static WeirServer start(String model, String options) throws IOException, InterruptedException {
    Path directory = RandomModel.find(model);
    int port;
    try (ServerSocket socket = new ServerSocket(0)) {
      port = socket.getLocalPort();
    }
    List<String> command = new ArrayList<>();
    command.add(System.getProperty(LAUNCHER_PROPERTY, "weir"));
    command.add("serve");
    command.add(directory.toString());
    command.add("--port=" + port);
    command.add("--served-model-name=" + MODEL_NAME);
    for (String option : options.split(" ")) {
      if (!option.isEmpty()) {
        command.add(option);
      }
    }
    Process process =
        new ProcessBuilder(command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroy, "end-server"));
    WeirServer server = new WeirServer(process, URI.create("http://127.0.0.1:" + port));
    try {
      server.awaitHealth(process);
      return server;
    } catch (RuntimeException | InterruptedException failure) {
      server.close();
      throw failure;
    }
  }

  private void awaitHealth(Process process) throws InterruptedException {
    HttpClient client = HttpClient.newHttpClient();
    HttpRequest health =
        HttpRequest.newBuilder(url.resolve("/health")).timeout(HEALTH_LIMIT).build();
    long until = System.nanoTime() + START_LIMIT.toNanos();
    while (System.nanoTime() < until) {
      if (!process.isAlive()) {
        throw new IllegalStateException("the server ended with code " + process.exitValue());
      }
      try {
        if (client.send(health, BodyHandlers.discarding()).statusCode() == OK) {
          return;
        }
      } catch (IOException notYet) {
        // it does not listen yet
      }
      Thread.sleep(LOOK);
    }
    throw new IllegalStateException("the server was not healthy within " + START_LIMIT);
  }

  URI url() {
    return url;
  }

  @Override
  public void close() {
    if (process == null) {
      return;
    }
    process.destroy();
    try {
      if (!process.waitFor(STOP_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException interrupted) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
