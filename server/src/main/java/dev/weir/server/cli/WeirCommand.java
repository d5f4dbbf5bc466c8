package dev.weir.server.cli;

import dev.weir.engine.EngineVersion;
import java.io.InputStream;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command above all others: explains itself. */
@Command(
    name = "weir",
    description = "Serves language models from the JVM.",
    versionProvider = WeirCommand.Version.class,
    mixinStandardHelpOptions = true)
final class WeirCommand implements Callable<Integer> {

  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Option(
      names = {"-v", "--verbose"},
      scope = CommandLine.ScopeType.INHERIT,
      description = "Log more, and show stack traces of failures.")
  private boolean verbose;

  private final InputStream in;

  WeirCommand(InputStream in) {
    this.in = in;
  }

  /** Where commands read from. */
  InputStream in() {
    return in;
  }

  /** Whether a person is typing. */
  boolean readsTerminal() {
    return in.equals(System.in) && Terminal.isTerminal(Terminal.STANDARD_INPUT);
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getOut());
    return ExitStatus.OK;
  }

  /** Whether {@code --verbose} was given, anywhere on the line. */
  static boolean verbose(CommandLine command) {
    return command.getCommandSpec().root().userObject() instanceof WeirCommand weir && weir.verbose;
  }

  /** Weir's version and the JVM's. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "weir %s, on Java %s".formatted(EngineVersion.number(), Runtime.version())
      };
    }
  }
}
