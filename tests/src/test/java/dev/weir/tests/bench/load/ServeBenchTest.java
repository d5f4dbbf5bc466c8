package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code weir bench serve} from end to end at toy size: what it says, not how fast it is. */
@SuppressWarnings("NullAway.Init") // JUnit calls start() first
class ServeBenchTest {
  @TempDir private Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private BenchServer server;

  @BeforeEach
  void start() throws IOException {
    server = BenchServer.start(folder.resolve("model"));
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private JsonNode serve(String... options) throws IOException {
    CommandLine command = ServeBench.commandLine();
    command.setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    String[] all = {
      "--url=toy=" + server.url(), "--warm-up=1", "--out=" + folder.resolve("out"),
    };
    String[] line = Arrays.copyOf(all, all.length + options.length);
    System.arraycopy(options, 0, line, all.length, options.length);
    assertThat(command.execute(line)).as("%s", err).isZero();
    String json = Files.readString(folder.resolve("out/serve.json"));
    return JsonMapper.shared().readTree(json).path("servers").path(0);
  }

  @Test
  void independentRequestsAreToldAsATableJsonAndAPicture() throws IOException {
    JsonNode figures =
        serve(
            "--arrivals=poisson:200",
            "--requests=12",
            "--prompt-tokens=20-60",
            "--output-tokens=lognormal:6,0.5",
            "--slo=e2e=1000s");

    assertThat(figures.path("answered").asInt()).isEqualTo(12);
    assertThat(figures.path("failures").isEmpty()).isTrue();
    assertThat(figures.path("goodput_per_second").asDouble())
        .isEqualTo(figures.path("requests_per_second").asDouble());
    assertThat(figures.path("ttft_seconds").path("p50").asDouble()).isPositive();
    assertThat(out.toString()).contains("### toy", "first token (TTFT)", "12 of 12 requests");
    assertThat(Files.readString(folder.resolve("out/serve.svg"))).contains("<svg", "toy");
  }

  @Test
  void dialoguesGrowAndFindWhatTheServerRemembers() throws IOException {
    JsonNode figures =
        serve(
            "--arrivals=closed:2",
            "--requests=3",
            "--turns=3",
            "--prompt-tokens=200",
            "--later-tokens=20",
            "--output-tokens=4",
            "--session-header");

    assertThat(figures.path("answered").asInt()).isEqualTo(9);
    assertThat(figures.path("cached_share").asDouble()).isGreaterThan(0.4);
  }

  @Test
  void groupsShareTheirPrompts() throws IOException {
    JsonNode figures =
        serve(
            "--arrivals=burst:2",
            "--requests=2",
            "--samples=4",
            "--prompt-tokens=300",
            "--output-tokens=4",
            "--temperature=1",
            "--concurrency=1");

    assertThat(figures.path("answered").asInt()).isEqualTo(8);
    assertThat(figures.path("cached_share").asDouble())
        .as("six of eight prompts")
        .isGreaterThan(0.5);
  }

  @Test
  void whatTheServerRefusesIsCountedByKind() throws IOException {
    JsonNode figures = serve("--requests=2", "--arrivals=burst:2", "--prompt-tokens=100000");

    assertThat(figures.path("answered").asInt()).isZero();
    assertThat(figures.path("failures").path("REFUSED").asInt()).isEqualTo(2);
  }
}
