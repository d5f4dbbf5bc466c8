package dev.weir.tests.gpucheck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The bundle, made here, moved elsewhere, and run with an empty environment: no Java, no PATH. */
class BundleTest {
  private static final Path TOOL = Path.of("gpu-check", "bundle").toAbsolutePath();
  private static final Path SERVER = Path.of("..", "server", "target");

  /** Far longer than anything here takes: a hang fails the test instead of stopping the build. */
  private static final int PATIENCE_SECONDS = 300;

  @TempDir private static Path folder;
  private static Path bundle = Path.of("");
  private static String said = "";

  @BeforeAll
  static void bundleIsMadeAndMoved() throws Exception {
    assumeTrue(
        System.getProperty("os.name").equals("Linux")
            && System.getProperty("os.arch").equals("amd64"),
        "skipped: a bundle is for Linux on x86-64, and is made there");
    Path lib = Files.createDirectories(folder.resolve("lib"));
    try (Stream<Path> jars = Files.list(SERVER.resolve("lib"))) {
      for (Path jar : jars.toList()) {
        Files.copy(jar, lib.resolve(jar.getFileName()));
      }
    }
    Files.copy(SERVER.resolve("weir-server.jar"), lib.resolve("weir-server.jar"));
    Path made = folder.resolve("weir-bundle");
    ProcessBuilder builder =
        new ProcessBuilder(
            TOOL.toString(),
            made.toString(),
            lib.toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-XX:+UseSerialGC");
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Outcome outcome = run(builder);
    assertThat(outcome.status).as(outcome.text).isZero();
    said = outcome.text;
    bundle = folder.resolve("another place").resolve("weir-bundle");
    Files.createDirectories(bundle.getParent());
    Files.delete(folder.resolve("weir-bundle.tar.gz"));
    Files.move(made, bundle);
  }

  @Test
  void itsSizeIsSaid() {
    assertThat(said).containsPattern("weir-bundle: \\d+ MiB; .*weir-bundle.tar.gz: \\d+ MiB");
  }

  @Test
  void gpuCheckRunsInItWithoutAnythingElse() throws Exception {
    Path out = folder.resolve("results");

    Outcome outcome =
        inBundle(
            "gpu-check",
            "--smoke",
            "--device",
            "reference",
            "--sections",
            "ops,model",
            "--seconds",
            "3000",
            "--out",
            out.toString());

    assertThat(outcome.text).endsWith("OK\n");
    assertThat(outcome.status).isZero();
    assertThat(out.resolve("rows.tsv")).content().contains("check\tops\tLinearTest\tpassed");
  }

  @Test
  void withoutADriverItSaysWhatToDoAndFails() throws Exception {
    Outcome outcome = inBundle("gpu-check", "--out", folder.resolve("none").toString());

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.text).contains("no CUDA driver", "install the NVIDIA driver");
    assertThat(outcome.text).endsWith("FAILED\n");
  }

  @Test
  void itServes() throws Exception {
    ProcessBuilder builder = command("weir", "serve", "--port", "0", "--device", "reference");
    Process server = builder.redirectErrorStream(true).start();
    try (BufferedReader lines = server.inputReader()) {
      Pattern address = Pattern.compile("http://127\\.0\\.0\\.1:\\d+");
      Matcher found = address.matcher("");
      StringBuilder text = new StringBuilder();
      for (String line = lines.readLine(); line != null && !found.find(); line = lines.readLine()) {
        text.append(line).append('\n');
        found = address.matcher(line);
      }
      found.reset();
      assertThat(found.find()).as(text.toString()).isTrue();
      HttpRequest health = HttpRequest.newBuilder(URI.create(found.group() + "/health")).build();
      HttpRequest sum =
          HttpRequest.newBuilder(URI.create(found.group() + "/v1/completions"))
              .header("Content-Type", "application/json")
              .POST(
                  HttpRequest.BodyPublishers.ofString("{\"prompt\":\"12 + 30\",\"max_tokens\":2}"))
              .build();
      try (HttpClient client = HttpClient.newHttpClient()) {
        assertThat(client.send(health, HttpResponse.BodyHandlers.ofString()).statusCode())
            .isEqualTo(200);
        HttpResponse<String> answer = client.send(sum, HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        assertThat(answer.body()).contains("\"completion_tokens\":2");
      }
    } finally {
      server.destroyForcibly().waitFor();
    }
  }

  private static Outcome inBundle(String program, String... arguments)
      throws IOException, InterruptedException {
    return run(command(program, arguments));
  }

  private static ProcessBuilder command(String program, String... arguments) {
    List<String> command = new ArrayList<>(List.of(bundle.resolve(program).toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    Map<String, String> environment = builder.environment();
    environment.clear();
    environment.put("XDG_CACHE_HOME", folder.resolve("cache").toString());
    return builder;
  }

  private record Outcome(int status, String text) {}

  private static Outcome run(ProcessBuilder builder) throws IOException, InterruptedException {
    Path log = Files.createTempFile(folder, "run-", ".log");
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    process.getOutputStream().close();
    try {
      assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
    } finally {
      process.destroyForcibly();
    }
    return new Outcome(process.exitValue(), Files.readString(log));
  }
}
