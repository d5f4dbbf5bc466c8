package dev.weir.server.cli;

import dev.weir.engine.Engine;

/** An engine behind an HTTP server. */
@SuppressWarnings("DoNotCallSuggester") // until it is there
final class Serving {
  private Serving() {}

  static void run(Engine engine, String model, String host, int port) {
    engine.close();
    throw new CommandException(
        ExitStatus.FAILURE, "serve is not there yet: %s on %s:%d".formatted(model, host, port));
  }
}
