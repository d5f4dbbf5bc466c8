package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Kernels with one planted error each are reported under every order of threads and every landing
 * of copies; their twins without the error are not; fragments and numbers are those of the PTX ISA.
 * The program {@code self_test.cpp} does it without Java.
 */
class PlantedErrorsTest {
  private static final Path SCRIPT = Path.of("self-test.sh").toAbsolutePath();

  /** It needs a few seconds, most of them to compile. */
  private static final long LIMIT_MINUTES = 10;

  @Test
  void everyPlantedErrorIsReportedAndNothingElse() throws IOException, InterruptedException {
    assumeTrue(compilerIsThere(), "skipped: no g++, so there is no emulator");
    Path directory = Path.of("target", "self-test").toAbsolutePath();
    Files.createDirectories(directory);
    Path output = directory.resolve("output.txt");

    int status = run(output, "bash", SCRIPT.toString(), directory.toString());

    String text = Files.readString(output);
    System.out.println(text);
    assertThat(text).endsWith("all as it should be\n");
    assertThat(status).isZero();
  }

  private static boolean compilerIsThere() throws InterruptedException, IOException {
    String compiler = System.getenv().getOrDefault("CXX", "g++");
    Path nothing = Files.createTempFile("compiler", ".txt");
    try {
      return run(nothing, "bash", "-c", "command -v " + compiler) == 0;
    } finally {
      Files.delete(nothing);
    }
  }

  private static int run(Path output, String... command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(process.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES))
          .as("%s ends within %d minutes", command[0], LIMIT_MINUTES)
          .isTrue();
      return process.exitValue();
    } finally {
      process.destroyForcibly();
    }
  }
}
