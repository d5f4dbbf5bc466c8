package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** A conversation in the terminal, in this process. */
@Command(
    name = "chat",
    customSynopsis = "weir chat [MODEL] [OPTIONS]",
    sortOptions = false,
    description = "Talk to a model; each line is one message.",
    footer = {
      "",
      "While it runs: /reset forgets the conversation, /exit or ctrl-D ends it,",
      "  ctrl-C stops the answer (and ends the program where there is none).",
      "",
      "Examples:",
      "  weir chat",
      "  weir chat models/Qwen3-0.6B --system 'Answer in one sentence.'",
      "  echo 'What is 12 + 30?' | weir chat",
      "",
      "Exit status: 1 failure, 2 bad options, 3 the model cannot be loaded, 5 out of memory.",
    })
final class ChatCommand implements Callable<Integer> {
  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @ParentCommand
  @SuppressWarnings("NullAway.Init")
  private WeirCommand weir;

  @Parameters(arity = "0..1", paramLabel = "MODEL", description = "The same as --model.")
  private @Nullable Path positional;

  @Option(names = "--system", paramLabel = "TEXT", description = "How the model should behave.")
  private @Nullable String system;

  @Mixin private ModelOptions model = new ModelOptions();

  @ArgGroup(validate = false, heading = "%nSampling (defaults are the model's own):%n")
  private SamplingOptions sampling = new SamplingOptions();

  private final AtomicReference<@Nullable Generation> running = new AtomicReference<>();

  @Override
  public Integer call() throws IOException, InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    boolean terminal = weir.readsTerminal();
    try (Engine engine = ModelOptions.open(model.forOneUser(positional, err))) {
      Dialogue dialogue = new Dialogue(engine, system);
      if (terminal) {
        Interrupts.onInterrupt(this::interrupt);
        out.printf(
            "%s on %s; /exit ends, /reset forgets, ctrl-C stops an answer%n",
            model.name(positional), engine.deviceName());
      }
      BufferedReader in =
          new BufferedReader(new InputStreamReader(weir.in(), StandardCharsets.UTF_8));
      for (String line = read(in, out, terminal); line != null; line = read(in, out, terminal)) {
        switch (line.strip()) {
          case "" -> {}
          case "/exit" -> {
            return ExitStatus.OK;
          }
          case "/reset" -> dialogue.reset();
          default -> answer(engine, dialogue, line, out, err);
        }
      }
      if (terminal) {
        out.println();
      }
    }
    return ExitStatus.OK;
  }

  private static @Nullable String read(BufferedReader in, PrintWriter out, boolean terminal)
      throws IOException {
    if (terminal) {
      out.print("> ");
      out.flush();
    }
    return in.readLine();
  }

  private void answer(
      Engine engine, Dialogue dialogue, String line, PrintWriter out, PrintWriter err)
      throws InterruptedException {
    try {
      Prompt prompt = dialogue.ask(line);
      Request request = Request.of(prompt, sampling.sampling(engine.defaults()));
      try (Generation generation = engine.submit(request)) {
        running.set(generation);
        Answer answer = Answer.print(generation, out);
        out.println(answer.reason() == FinishReason.STOP ? "" : " …");
        dialogue.answered(answer.text());
      } finally {
        running.set(null);
      }
    } catch (InvalidRequestException e) {
      dialogue.takeBack();
      err.println("weir: " + Failures.describe(e) + "; /reset starts afresh");
    }
  }

  private void interrupt() {
    Generation generation = running.get();
    if (generation == null) {
      System.exit(INTERRUPTED);
    } else {
      generation.cancel();
    }
  }

  /** What shells report for a process that ctrl-C ended. */
  private static final int INTERRUPTED = 130;
}
