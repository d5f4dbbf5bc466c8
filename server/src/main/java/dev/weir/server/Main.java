package dev.weir.server;

import dev.weir.server.cli.CommandLines;

/** Where the JVM begins. */
public final class Main {
  private Main() {}

  /** Runs one command and ends the process with its exit status. */
  public static void main(String[] args) {
    System.exit(CommandLines.run(args, System.in, System.out, System.err));
  }
}
