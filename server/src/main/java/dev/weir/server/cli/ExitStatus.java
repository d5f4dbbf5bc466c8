package dev.weir.server.cli;

/** Exit statuses, as {@code --help} lists them. */
final class ExitStatus {
  static final int OK = 0;
  static final int FAILURE = 1;
  static final int USAGE = 2;
  static final int MODEL = 3;
  static final int ADDRESS = 4;
  static final int MEMORY = 5;

  private ExitStatus() {}
}
