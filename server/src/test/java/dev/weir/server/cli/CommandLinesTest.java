package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.testing.SharedData;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Command lines, from words to what is printed and returned. */
class CommandLinesTest {
  @TempDir private Path folder;

  @Test
  void anUnknownOptionIsNamedOnOneLineWithWhereToLook() {
    Outcome outcome = weir("serve", "--prot", "8080");

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err())
        .satisfiesExactly(
            line -> assertThat(line).startsWith("weir: ").contains("--prot"),
            line -> assertThat(line).contains("'weir serve --help'"));
    assertThat(outcome.out).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "--port,        x,      --port",
    "--kv-memory,   lots,   --kv-memory",
    "--device,      gpu,    --device",
    "--slots,       0,      slots",
    "--queue,       -1,     queue",
    "--threads,     0,      threads",
    "--context,     1,      context length",
    "--itl-target,  1,      latency target",
    "--step-tokens, 8,      slots",
    "--devices,     'cpu,gpu',  --devices",
    "--devices,     'cpu,auto', auto",
    "--devices,     'cpu,,cpu', --devices",
    "--host-kv,     some,   --host-kv",
    "--queue-timeout, 0,    queue_timeout",
    "--ttft-deadline, -1s,  --ttft-deadline",
    "--deadline,    NaN,    --deadline",
    "--max-queue-time, 0s,  longest queue time",
    "--session-lease, long, --session-lease",
    "--heartbeat,   soon,   --heartbeat",
    "--heartbeat,   1ms,    heartbeat",
  })
  void aBadValueIsNamedWithItsOption(String option, String value, String named) {
    Outcome outcome = weir("serve", folder.toString(), option, value);

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err().getFirst()).startsWith("weir: ").contains(named);
  }

  @Test
  void oneDeviceAndSeveralExcludeEachOther() {
    Outcome outcome = weir("serve", "--device", "cpu", "--devices", "cpu,cpu", folder.toString());

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err()).singleElement().asString().contains("--device and --devices");
  }

  @Test
  void shardsAreSharedOutEvenlyAmongDevices() {
    Outcome outcome =
        weir("serve", "--devices", "reference,reference", "--shards", "3", folder.toString());

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err()).singleElement().asString().contains("multiple of the 2 devices");
  }

  @ParameterizedTest
  @ValueSource(strings = {"serve", "chat", "generate"})
  void aModelThatIsNotThereIsNamedOnOneLine(String command) {
    Path nowhere = folder.resolve("nowhere");
    Outcome outcome =
        switch (command) {
          case "generate" -> weir(command, "-m", nowhere.toString(), "hello");
          case "serve" -> weir(command, nowhere.toString(), "--port", "0");
          default -> weir(command, nowhere.toString());
        };

    assertThat(outcome.status).isEqualTo(ExitStatus.MODEL);
    assertThat(outcome.err())
        .singleElement()
        .asString()
        .contains(nowhere.toString(), "does not exist");
  }

  @ParameterizedTest
  @CsvSource({
    "nowhere/x, there is no folder",
    "a.file,    it is there already; name a new file",
    "a.file/x,  Not a directory",
  })
  void aJournalThatCannotBeMadeIsNamedWithTheReasonBeforeTheModelIsLoaded(String name, String why)
      throws IOException {
    Files.writeString(folder.resolve("a.file"), "mine");
    Path journal = folder.resolve(name);
    Outcome outcome = weir("serve", "no-model", "--port", "0", "--journal", journal.toString());

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err())
        .singleElement()
        .asString()
        .startsWith("weir: the journal " + journal + ": ")
        .contains(why, "name a")
        .doesNotContain("Exception");
    assertThat(folder.resolve("a.file")).hasContent("mine");
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void aJournalWhereThereCanBeNoFileIsNotSaidToLackItsFolder() {
    Outcome outcome = weir("serve", "no-model", "--port", "0", "--journal", "/proc/x");

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err())
        .singleElement()
        .asString()
        .startsWith("weir: the journal /proc/x: ")
        .doesNotContain("there is no folder", "Exception");
  }

  @Test
  void aJournalThatCouldBeMadeIsNotLeftBehindByAModelThatCannotBeLoaded() {
    Path journal = folder.resolve("new.journal");
    Outcome outcome = weir("serve", "no-model", "--port", "0", "--journal", journal.toString());

    assertThat(outcome.status).isEqualTo(ExitStatus.MODEL);
    assertThat(journal).doesNotExist();
  }

  @Test
  void verboseShowsWhereAFailureCameFrom() {
    Outcome outcome =
        weir("serve", "--port", "0", "--verbose", folder.resolve("nowhere").toString());

    assertThat(outcome.err().getFirst()).contains("does not exist");
    assertThat(outcome.err()).anyMatch(line -> line.strip().startsWith("at dev.weir."));
  }

  @Test
  void twoModelsAreOneTooMany() {
    Outcome outcome = weir("serve", "a", "--model", "b");

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err()).singleElement().asString().contains("two models");
  }

  @ParameterizedTest
  @ValueSource(strings = {"serve", "chat", "generate"})
  void helpFitsATerminalAndHasExamplesAndExitStatuses(String command) {
    Outcome outcome = weir(command, "--help");

    assertThat(outcome.status).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out).contains("Examples:", "Exit status:", "--model", "--context=TOKENS");
    assertThat(outcome.out.lines()).allMatch(line -> line.length() <= 80);
  }

  @Test
  void helpSaysWhatIsForEachDeviceAndWhatIsForAll() {
    String help = weir("serve", "--help").out.replaceAll("\\s+", " ");

    assertThat(help)
        .containsPattern("--slots=N Most sequences that run at once on each device")
        .containsPattern("--kv-memory=SIZE Memory for keys and values on each device")
        .containsPattern("--host-kv=SIZE Host memory .* shared by all devices");
  }

  @Test
  void helpListsAllCommandsButTheLaunchersOwn() {
    Outcome outcome = weir("--help");

    assertThat(outcome.out).contains("serve", "chat", "generate").doesNotContain("rehearse");
  }

  @Test
  void optionsOfAllCommandsMayComeFirst() {
    Outcome outcome = weir("--verbose", "generate", "-m", folder.resolve("no").toString(), "hi");

    assertThat(outcome.status).isEqualTo(ExitStatus.MODEL);
    assertThat(outcome.err()).anyMatch(line -> line.strip().startsWith("at dev.weir."));
  }

  @Test
  void versionNamesTheJvm() {
    Outcome outcome = weir("--version");

    assertThat(outcome.out).startsWith("weir ").contains(Runtime.version().toString());
  }

  @ParameterizedTest
  @CsvSource({
    "/models/Qwen3-0.6B, Qwen3-0.6B",
    "/hub/models--Qwen--Qwen3-0.6B, Qwen/Qwen3-0.6B",
    "/hub/models--Qwen--Qwen3-0.6B/snapshots/c1899de2, Qwen/Qwen3-0.6B",
  })
  void modelsAreCalledAsTheirFolderOrAsOnTheHub(String directory, String name) {
    assertThat(ModelOptions.nameOf(Path.of(directory))).isEqualTo(name);
  }

  @Test
  void generateContinuesAStoryAsTheReferenceDoes() {
    Path model = SharedData.require("models/stories260K");

    Outcome outcome =
        weir("generate", "-m", model.toString(), "-t", "0", "-n", "24", "Once upon a time");

    assertThat(outcome.status).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out).startsWith(", there was a little girl named Lily.");
  }

  @Test
  void generateReadsStandardInputAndASeedRepeatsItself() {
    String model = tinyModel();
    String[] words = {"generate", "-m", model, "--seed", "7", "-n", "16", "--usage"};

    Outcome first = weirReading("hello", words);
    Outcome second = weirReading("hello", words);

    assertThat(first.status).isEqualTo(ExitStatus.OK);
    assertThat(second.out).isEqualTo(first.out);
    assertThat(first.err().getLast()).contains("5 prompt tokens");
  }

  @Test
  void generateRefusesSamplingThatMakesNoSense() {
    Outcome outcome = weir("generate", "-m", tinyModel(), "--top-p", "2", "hello");

    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err().getLast()).contains("top_p is 2.0");
  }

  @Test
  void chatAnswersEachLineOfItsInputAndEndsWithIt() {
    Outcome outcome =
        weirReading("hello\n\n/reset\nhello\n", "chat", tinyModel(), "-t", "0", "-n", "8");

    assertThat(outcome.status).isEqualTo(ExitStatus.OK);
    // The same first question in a fresh conversation has the same greedy answer.
    assertThat(outcome.out).isNotBlank();
    String half = outcome.out.substring(0, outcome.out.length() / 2);
    assertThat(outcome.out).isEqualTo(half + half);
  }

  @Test
  void chatEndsAtExit() {
    Outcome outcome = weirReading("/exit\nhello\n", "chat", tinyModel());

    assertThat(outcome.status).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out).isEmpty();
  }

  @Test
  void chatWithoutATemplateSaysWhatToUseInstead() throws IOException {
    String model = tinyModel();
    Files.writeString(Path.of(model, "tokenizer_config.json"), "{}");

    Outcome outcome = weirReading("", "chat", model);

    assertThat(outcome.status).isEqualTo(ExitStatus.MODEL);
    assertThat(outcome.err().getLast()).contains("no chat template", "weir generate");
  }

  private String tinyModel() {
    return TinyModel.write(folder.resolve("tiny"), DType.F32, 1).toString();
  }

  private record Outcome(int status, String out, String error) {
    List<String> err() {
      return error.lines().toList();
    }
  }

  private static Outcome weir(String... words) {
    return weirReading("", words);
  }

  private static Outcome weirReading(String input, String... words) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    InputStream in = new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8));
    int status =
        CommandLines.run(
            words,
            in,
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    return new Outcome(
        status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }
}
