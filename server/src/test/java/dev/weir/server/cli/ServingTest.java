package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.server.api.Heartbeats;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Serving from the command line: the address, the greeting, the end. */
class ServingTest {
  private static final Pattern CURL = Pattern.compile("curl (\\S+) -H '([^:]+): (.+)' -d '(.+)'");
  private static final String LOCAL = "127.0.0.1";
  private static final long LIMIT_SECONDS = 120;

  @TempDir private Path folder;
  private Path model;

  @BeforeEach
  void aTinyModel() {
    model = TinyModel.write(folder.resolve("tiny"), DType.F32, 1);
  }

  @Test
  void theGreetingsCurlLineWorksForAModelThatChats() throws Exception {
    try (Serving serving = serve()) {
      assertThat(serving.greeting()).contains("Weir serves m", "/v1/chat/completions");
      assertThat(answerToTheCurlLineOf(serving.greeting()).body()).contains("\"model\":\"m\"");
    }
  }

  @Test
  void theGreetingsCurlLineWorksForAModelThatDoesNot() throws Exception {
    Files.writeString(model.resolve("tokenizer_config.json"), "{}");
    try (Serving serving = serve()) {
      assertThat(serving.greeting()).contains("/v1/completions");
      assertThat(answerToTheCurlLineOf(serving.greeting()).statusCode()).isEqualTo(200);
    }
  }

  private Serving serve() {
    return Serving.start(Engine.open(EngineOptions.of(model)), "m", Heartbeats.DEFAULT, LOCAL, 0);
  }

  private static HttpResponse<String> answerToTheCurlLineOf(String greeting) throws Exception {
    Matcher curl = CURL.matcher(greeting);
    assertThat(curl.find()).as("a curl line in: %s", greeting).isTrue();
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(curl.group(1)))
              .header(curl.group(2), curl.group(3))
              .POST(BodyPublishers.ofString(curl.group(4)))
              .build();
      HttpResponse<String> response = client.send(request, BodyHandlers.ofString());
      assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
      return response;
    }
  }

  @Test
  void aPortInUseIsNamedBeforeAnythingIsLoaded() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      int status =
          CommandLines.run(
              new String[] {
                "serve", folder.resolve("nowhere").toString(), "--port", "" + taken.getLocalPort()
              },
              InputStream.nullInputStream(),
              new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8),
              new PrintStream(err, true, StandardCharsets.UTF_8));

      assertThat(status).isEqualTo(ExitStatus.ADDRESS);
      assertThat(err.toString(StandardCharsets.UTF_8).lines())
          .singleElement()
          .asString()
          .contains("cannot listen", "port " + taken.getLocalPort(), "--port");
    }
  }

  @Test
  void anAddressThatIsNotOfThisMachineIsNamed() {
    assertThatThrownBy(() -> Serving.checkAddress("192.0.2.1", 0))
        .isInstanceOf(CommandException.class)
        .hasMessageContaining("192.0.2.1");
  }

  @Test
  void aRehearsalServesItselfAndEnds() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int status =
        CommandLines.run(
            new String[] {"rehearse", "-m", model.toString()},
            InputStream.nullInputStream(),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            System.err);

    assertThat(status).isEqualTo(ExitStatus.OK);
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("Weir serves tiny");
  }

  @Test
  void aProcessThatIsToldToEndEndsCleanly() throws Exception {
    Path errors = folder.resolve("errors");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.weir.server.Main",
                "serve",
                model.toString(),
                "--port",
                "0")
            .redirectError(errors.toFile())
            .start();
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      assertThat(out.readLine()).as(Files.readString(errors)).startsWith("Weir serves tiny at ");

      process.destroy(); // SIGTERM

      assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
      assertThat(process.exitValue()).isEqualTo(143); // what shells call an end by SIGTERM
      assertThat(Files.readString(errors)).doesNotContain("Exception", "WARN", "ERROR");
    } finally {
      process.destroyForcibly();
    }
  }
}
