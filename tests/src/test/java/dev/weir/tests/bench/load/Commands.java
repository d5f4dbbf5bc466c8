package dev.weir.tests.bench.load;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import picocli.CommandLine;
import tools.jackson.databind.json.JsonMapper;

/** What the commands of this package have in common. */
final class Commands {
  private Commands() {}

  /** A command whose failures are told in a line. */
  static CommandLine commandLine(Object command) {
    return new CommandLine(command)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionExceptionHandler(
            (failure, line, parsed) -> {
              String told =
                  failure instanceof NoSuchFileException missing
                      ? "there is no file " + missing.getFile()
                      : failure.getMessage();
              line.getErr().println(line.getCommandName() + ": " + told);
              return line.getCommandSpec().exitCodeOnExecutionException();
            });
  }

  /** Writes a value into a folder, for people and programs. */
  static void writeJson(Path folder, String name, Object value) throws IOException {
    Files.createDirectories(folder);
    String text = JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValueAsString(value);
    Files.writeString(folder.resolve(name), text + "\n");
  }
}
