package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A journal run again from the command line. */
class ReplayCommandTest {
  private static final int REQUESTS = 6;
  private static final int OUTPUTS = 12;
  private static final int PROMPT = 70;
  private static final Pattern CELL = Pattern.compile("[\\d.,]+");

  @TempDir static Path folder;
  private static Path file;
  private static String journal;

  private record Outcome(int status, String out, String err) {}

  @BeforeAll
  static void writeARunDown() throws InterruptedException, IOException {
    file = folder.resolve("run.journal");
    EngineOptions options =
        EngineOptions.of(TinyModel.write(folder.resolve("tiny"), DType.F32, 1))
            .withDevice(new DeviceChoice.Reference())
            .withSlots(4)
            .withShards(2)
            .withJournal(file);
    try (Engine engine = Engine.open(options)) {
      List<Generation> all = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        int[] prompt = new Random(i).ints(PROMPT, 0, TinyModel.END).toArray();
        Sampling sampling =
            Sampling.builder().temperature(1).maxTokens(OUTPUTS).ignoreEos(true).build();
        all.add(engine.submit(Request.of(Prompt.of(prompt), sampling)));
      }
      for (Generation one : all) {
        one.await();
      }
    }
    journal = Files.readString(file);
  }

  private static Outcome replay(Path journal, String... options) {
    List<String> arguments = new ArrayList<>(List.of("replay", journal.toString()));
    arguments.addAll(Arrays.asList(options));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int status =
        CommandLines.run(
            arguments.toArray(String[]::new),
            InputStream.nullInputStream(),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    return new Outcome(
        status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  private static Path write(String text) throws IOException {
    return Files.writeString(Files.createTempFile(folder, "some", ".journal"), text);
  }

  @Test
  void theSameTokensAreAGoodEnd() {
    Outcome outcome = replay(file, "--device", "reference");
    assertThat(outcome.status).as(outcome.err).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out)
        .contains("6 requests, 6 choices with 72 tokens compared.")
        .contains("6 requests that were admitted once, in tokens: 420 computed (now 420)")
        .contains("Every token is the same.")
        .doesNotContain("another shard", "Not the same");
  }

  @Test
  void withTimesItRunsOnAsManyShards() {
    Outcome outcome = replay(file, "--device", "reference", "--times");
    assertThat(outcome.status).as(outcome.err).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out)
        .contains("Every token is the same.")
        .containsPattern("(same shards\\.|ran on another shard; the first is request \\d: shard)");
  }

  @Test
  void anotherShardInTheJournalIsTold() throws IOException {
    Path moved = write(journal.replaceAll("\"shard\":0,\"shared\"", "\"shard\":7,\"shared\""));
    assertThat(replay(moved, "--device", "reference", "--times").out)
        .containsPattern("ran on another shard; the first is request \\d: shard 7, now [01]\\.");
  }

  @Test
  void anotherTokenIsAFailureThatNamesIt() throws IOException {
    Matcher end = Pattern.compile("\"output\":\\[(\\d+),(\\d+)").matcher(journal);
    assertThat(end.find()).isTrue();
    int token = Integer.parseInt(end.group(2));
    String tampered =
        journal.substring(0, end.start(2)) + (token + 1) % 256 + journal.substring(end.end(2));
    Outcome outcome = replay(write(tampered), "--device", "reference");
    assertThat(outcome.status).isEqualTo(ExitStatus.FAILURE);
    assertThat(outcome.out)
        .contains(
            "differs at output token 1: " + (token + 1) % 256 + " in the journal, now " + token)
        .doesNotContain("Every token is the same");
  }

  @Test
  void aJournalThatIsCutOffRunsAsFarAsItGoes() throws IOException {
    int lastEnd = journal.lastIndexOf("{\"type\":\"end\"");
    Outcome outcome = replay(write(journal.substring(0, lastEnd + 40)), "--device", "reference");
    assertThat(outcome.status).as(outcome.err).isEqualTo(ExitStatus.OK);
    assertThat(outcome.out)
        .contains("was not closed", "(at byte " + lastEnd + ")", "what is before it is there")
        .contains("6 requests, 5 choices with 60 tokens compared; 1 had failed or had not ended");
  }

  @Test
  void whatIsNoJournalIsNamed() throws IOException {
    Path none = write("hello\n");
    Outcome outcome = replay(none);
    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err).contains(none.toString(), "line 1", "this is no journal of Weir");
    int middle = journal.indexOf('\n', journal.length() / 2) + 1;
    Path broken = write(journal.substring(0, middle) + "?\n" + journal.substring(middle));
    outcome = replay(broken);
    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err).contains(broken.toString(), "(at byte " + middle + ")");
  }

  @Test
  void whatCannotBeOpenedIsNamedWithTheReason() {
    assertUnreadable(folder.resolve("none.journal"), "there is no such file");
    assertUnreadable(folder, "it is a folder");
    assertUnreadable(file.resolve("x"), "Not a directory");
  }

  private static void assertUnreadable(Path journal, String why) {
    Outcome outcome = replay(journal);
    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.out).isEmpty();
    assertThat(outcome.err.lines())
        .singleElement()
        .asString()
        .startsWith("weir: the journal " + journal + ": ")
        .contains(why)
        .doesNotContain("Exception");
  }

  @Test
  void aSimulationPrintsAColumnForEachPolicyBesideWhatWasRecorded() {
    Outcome outcome =
        replay(file, "--simulate", "--policy", "time-budget", "--policy", "fixed-chunk=32");
    assertThat(outcome.status).as(outcome.err).isEqualTo(ExitStatus.OK);
    assertThat(row(outcome.out, "tokens computed")).containsExactly("420", "420", "420", "420");
    assertThat(row(outcome.out, "shared")).containsExactly("0", "0", "0", "0");
    for (String name : List.of("between tokens, p50 ms", "worst gap, ms", "first token, p90 ms")) {
      assertThat(row(outcome.out, name))
          .as(name)
          .hasSize(4)
          .allSatisfy(cell -> assertThat(Double.parseDouble(cell.replace(",", ""))).isPositive());
    }
    assertThat(outcome.out.lines())
        .filteredOn(line -> line.contains("measured "))
        .singleElement()
        .asString()
        .containsSubsequence("measured", "simulated", "time-budget", "fixed-chunk=32");
    for (int cell = 0; cell < 2; cell++) {
      assertThat(row(replay(file, "--simulate").out, "steps").get(1))
          .as("the journal's own policy, given or not")
          .isEqualTo(row(outcome.out, "steps").get(1 + cell));
    }
  }

  private static List<String> row(String table, String name) {
    String line =
        table
            .lines()
            .filter(it -> it.startsWith(name))
            .findFirst()
            .orElseThrow(() -> new AssertionError("no row '%s' in %s".formatted(name, table)));
    return CELL.matcher(line.substring(name.length()).toLowerCase(Locale.ROOT))
        .results()
        .map(found -> found.group())
        .toList();
  }

  @Test
  void aSimulationThatCannotBeIsAWrongOption() {
    Outcome outcome = replay(file, "--simulate", "--shards", "3", "--devices", "2");
    assertThat(outcome.status).isEqualTo(ExitStatus.USAGE);
    assertThat(outcome.err).contains("3 shard(s)", "2 device(s)");
  }
}
