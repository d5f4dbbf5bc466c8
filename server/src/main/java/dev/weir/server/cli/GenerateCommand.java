package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Goes on from one text and prints what comes. */
@Command(
    name = "generate",
    customSynopsis = "weir generate [PROMPT] [OPTIONS]",
    sortOptions = false,
    description = "Continue one text; what is generated goes to standard output as it comes.",
    footer = {
      "",
      "Examples:",
      "  weir generate 'Once upon a time'",
      "  weir generate --chat 'What is 12 + 30?'",
      "  weir generate -m models/Qwen3-0.6B --temperature 0 -n 64 < prompt.txt",
      "",
      "Exit status: 1 failure, 2 bad options, 3 the model cannot be loaded, 5 out of memory.",
    })
final class GenerateCommand implements Callable<Integer> {
  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @ParentCommand
  @SuppressWarnings("NullAway.Init")
  private WeirCommand weir;

  @Parameters(
      arity = "0..1",
      paramLabel = "PROMPT",
      description = "The text to continue. Default: all of standard input.")
  private @Nullable String prompt;

  @Option(
      names = "--chat",
      description = "Put the text as a question, through the model's chat template.")
  private boolean chat;

  @Option(names = "--usage", description = "Report counts of tokens on standard error.")
  private boolean usage;

  @Mixin private ModelOptions model = new ModelOptions();

  @ArgGroup(validate = false, heading = "%nSampling (defaults are the model's own):%n")
  private SamplingOptions sampling = new SamplingOptions();

  @Override
  public Integer call() throws IOException, InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    String text = prompt != null ? prompt : standardInput();
    try (Engine engine = ModelOptions.open(model.forOneUser(null, err))) {
      Prompt start = chat ? new Dialogue(engine, null).ask(text) : new Prompt.Text(text, true);
      Request request = Request.of(start, sampling.sampling(engine.defaults()));
      try (Generation generation = engine.submit(request)) {
        Answer answer = Answer.print(generation, out);
        if (!answer.text().endsWith("\n")) {
          out.println();
        }
        if (usage) {
          err.printf(
              "%d prompt tokens, %d generated, ended by %s%n",
              generation.usage().promptTokens(),
              generation.usage().outputTokens(),
              answer.reason());
        }
      }
    }
    return ExitStatus.OK;
  }

  private String standardInput() throws IOException {
    if (weir.readsTerminal()) {
      throw new CommandException(
          ExitStatus.USAGE, "there is no prompt: give one as an argument or on standard input");
    }
    byte[] bytes = weir.in().readNBytes(MAX_PROMPT_BYTES + 1);
    if (bytes.length > MAX_PROMPT_BYTES) {
      throw new CommandException(
          ExitStatus.USAGE,
          "standard input holds more than %s".formatted(MemorySize.format(MAX_PROMPT_BYTES)));
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** More text than any context holds. */
  private static final int MAX_PROMPT_BYTES = 16 << 20;
}
