package dev.weir.server.cli;

import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine;

/** Runs a command line: the way in from {@code main}, and from tests. */
public final class CommandLines {
  private CommandLines() {}

  /**
   * Parses and runs.
   *
   * @return the exit status, one of {@link ExitStatus}
   */
  public static int run(String[] args, InputStream in, PrintStream out, PrintStream err) {
    PrintWriter errors = new PrintWriter(err, true, StandardCharsets.UTF_8);
    CommandLine line = new CommandLine(new WeirCommand(in));
    Map<String, Supplier<Object>> commands = commands();
    if (args.length > 0 && commands.containsKey(args[0])) {
      // Describing a command takes time, which a start counts: describe the one that is meant.
      commands.keySet().retainAll(Set.of(args[0]));
    }
    commands.values().forEach(command -> line.addSubcommand(command.get()));
    line.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
    line.setErr(errors);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(true);
    line.setUsageHelpLongOptionsMaxWidth(OPTION_COLUMN);
    line.registerConverter(MemorySize.class, MemorySize::parse);
    line.setParameterExceptionHandler(
        (failure, given) -> {
          CommandLine command = failure.getCommandLine();
          errors.println("weir: " + failure.getMessage());
          errors.println(
              "weir: '%s --help' lists the options"
                  .formatted(command.getCommandSpec().qualifiedName()));
          return ExitStatus.USAGE;
        });
    line.setExecutionStrategy(
        parsed -> {
          if (WeirCommand.verbose(line)) {
            LogSetup.verbose();
          }
          return new CommandLine.RunLast().execute(parsed);
        });
    line.setExecutionExceptionHandler(
        (failure, command, parsed) -> Failures.report(failure, errors, WeirCommand.verbose(line)));
    try {
      return line.execute(args);
    } catch (OutOfMemoryError failure) { // picocli hands on exceptions only
      return Failures.report(failure, errors, false);
    }
  }

  private static Map<String, Supplier<Object>> commands() {
    Map<String, Supplier<Object>> commands = new LinkedHashMap<>();
    commands.put("serve", ServeCommand::new);
    commands.put("chat", ChatCommand::new);
    commands.put("generate", GenerateCommand::new);
    commands.put("replay", ReplayCommand::new);
    commands.put("rehearse", RehearseCommand::new);
    return commands;
  }

  /** Wide enough for the longest option with its value, so that descriptions line up. */
  private static final int OPTION_COLUMN = 32;
}
