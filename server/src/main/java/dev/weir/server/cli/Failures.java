package dev.weir.server.cli;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.request.InvalidRequestException;
import java.io.PrintWriter;

/** Turns what went wrong into one line and an exit status; a stack trace only where asked for. */
final class Failures {
  private Failures() {}

  static int report(Throwable failure, PrintWriter err, boolean verbose) {
    err.println("weir: " + line(failure));
    if (verbose) {
      failure.printStackTrace(err);
    }
    err.flush();
    return status(failure);
  }

  private static int status(Throwable failure) {
    return switch (failure) {
      case CommandException command -> command.exitStatus();
      case ModelLoadException model -> ExitStatus.MODEL;
      case InvalidRequestException request -> ExitStatus.USAGE;
      case OutOfMemoryError memory -> ExitStatus.MEMORY;
      default -> ExitStatus.FAILURE;
    };
  }

  private static String line(Throwable failure) {
    return switch (failure) {
      case OutOfMemoryError memory ->
          "out of memory (%s); lower --context, --slots or --kv-memory, or give the JVM more: WEIR_JVM_FLAGS=-Xmx8g"
              .formatted(describe(memory));
      case CommandException command -> describe(command);
      case ModelLoadException model -> describe(model);
      case InvalidRequestException request -> describe(request);
      default -> describe(failure) + " (--verbose shows where)";
    };
  }

  /** A message on one line, with the kind of failure where the message alone would say nothing. */
  static String describe(Throwable failure) {
    String message = failure.getMessage();
    return message == null
        ? failure.getClass().getSimpleName()
        : message.strip().replaceAll("\\s*\\R\\s*", "; ");
  }
}
