package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code weir bench storm} from end to end at toy size: what it says, not how fast it is. */
class StormBenchTest {
  private static final String[] TOY = {
    "--streams=2",
    "--stream-tokens=16",
    "--warm-up=0.05",
    "--before=0.2",
    "--after=0.1",
    "--runs=2",
  };

  @TempDir private Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int storm(String... options) {
    String[] all = Arrays.copyOf(TOY, TOY.length + options.length);
    System.arraycopy(options, 0, all, TOY.length, options.length);
    return execute(all);
  }

  private int execute(String... options) {
    CommandLine command = StormBench.commandLine();
    command.setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    return command.execute(options);
  }

  @Test
  void aStormIsToldAsATableJsonAndAPicture() throws IOException {
    try (BenchServer server = BenchServer.start(folder.resolve("model"))) {
      int status =
          storm(
              "--url=toy=" + server.url(), "--storm-tokens=700", "--out=" + folder.resolve("out"));

      assertThat(status).as("%s", err).isZero();
      assertThat(out.toString()).contains("| toy | 700 |", "medians of 2 runs");
      JsonNode series = json("storm.json").path("series").path(0);
      assertThat(series.path("server").asString()).isEqualTo("toy");
      assertThat(series.path("runs").size()).isEqualTo(2);
      for (JsonNode run : series.path("runs")) {
        assertThat(run.path("prompt_tokens").asInt()).isEqualTo(700);
        assertThat(run.path("before_tokens_per_second").asDouble()).isPositive();
        assertThat(run.path("first_token_seconds").asDouble()).isPositive();
        assertThat(run.path("failures").isEmpty()).isTrue();
        assertThat(run.path("engine").path("steps").asInt()).isPositive();
      }
      assertThat(Files.readString(folder.resolve("out/storm.svg"))).contains("<svg", "toy", "kept");
    }
  }

  @Test
  void lengthsHavePicturesOfTheirOwn() throws IOException {
    try (BenchServer server = BenchServer.start(folder.resolve("model"))) {
      storm("--url=" + server.url(), "--storm-tokens=300,500", "--out=" + folder.resolve("out"));

      assertThat(folder.resolve("out/storm-300-tokens.svg")).exists();
      assertThat(folder.resolve("out/storm-500-tokens.svg")).exists();
    }
  }

  @Test
  void aPromptThatTheServerRefusesEndsInALineThatSaysSo() throws IOException {
    try (BenchServer server = BenchServer.start(folder.resolve("model"))) {
      int status = storm("--url=" + server.url(), "--storm-tokens=100000");

      assertThat(status).isNotZero();
      assertThat(err.toString())
          .contains("storm: a long prompt", "HTTP 400")
          .doesNotContain("\tat ");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --runs=0            | at least 1 run, not 0
          --streams=0         | at least 1
          --storm-tokens=0    | at least 1
          --storms=-1         | at least 1
          --before=0          | for a while before
          --after=-1          | no time can be negative
          --url=somewhere     | 'somewhere' is no server's address
          --url=x=ftp://there | 'ftp://there' is no server's address
          --url=http://a b    | 'http://a b' is no server's address
          """)
  void whatCannotBeMeasuredIsToldBeforeAServerIsAsked(String option, String told) {
    int status = execute("--url=http://127.0.0.1:1", option);

    assertThat(status).isNotZero();
    assertThat(err.toString()).startsWith("storm: ").contains(told).hasLineCount(1);
  }

  @Test
  void aServerThatIsNotThereEndsInALineThatSaysSo() {
    int status = storm("--url=http://127.0.0.1:1");

    assertThat(status).isNotZero();
    assertThat(err.toString()).contains("storm: http://127.0.0.1:1 does not answer as expected");
  }

  private JsonNode json(String name) throws IOException {
    return JsonMapper.shared().readTree(Files.readString(folder.resolve("out").resolve(name)));
  }
}
