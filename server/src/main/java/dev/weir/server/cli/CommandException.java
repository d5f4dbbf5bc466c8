package dev.weir.server.cli;

/** A command that cannot go on, for a reason that its user can read and act on. */
final class CommandException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int exitStatus;

  CommandException(int exitStatus, String message) {
    super(message);
    this.exitStatus = exitStatus;
  }

  CommandException(int exitStatus, String message, Throwable cause) {
    super(message, cause);
    this.exitStatus = exitStatus;
  }

  int exitStatus() {
    return exitStatus;
  }
}
