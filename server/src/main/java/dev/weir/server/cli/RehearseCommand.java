package dev.weir.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** Serves the demo model to itself once, so that the launcher can record what a start loads. */
@Command(name = "rehearse", hidden = true)
final class RehearseCommand implements Callable<Integer> {
  @Override
  public Integer call() {
    throw new CommandException(ExitStatus.FAILURE, "not there yet");
  }
}
