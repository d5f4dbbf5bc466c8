package dev.weir.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The C compiler and the CUDA toolkit, where a machine has them, and child processes. */
final class Native {
  /** Longest a child may take; each takes a second or two. */
  private static final long MAX_CHILD_SECONDS = 120;

  private Native() {}

  /** The toolkit's folder; the calling test is skipped where there is none. */
  static Path toolkit() {
    Path toolkit =
        Path.of(Objects.requireNonNullElse(System.getenv("CUDA_HOME"), "/usr/local/cuda"));
    assumeTrue(
        Files.exists(toolkit.resolve("include/cuda.h")),
        "skipped: no CUDA toolkit at " + toolkit + " (CUDA_HOME names another place)");
    return toolkit;
  }

  /** Runs {@code cc}; the calling test is skipped where there is no C compiler. */
  static String compile(Path folder, String... arguments) throws Exception {
    boolean compiler =
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "cc")));
    assumeTrue(compiler, "skipped: no C compiler named cc");
    return run(folder, Stream.concat(Stream.of("cc"), Stream.of(arguments)).toList());
  }

  /** Runs a command to its end and gives what it printed; it must succeed. */
  static String run(Path folder, List<String> command) throws IOException, InterruptedException {
    Path output = Files.createTempFile(folder, "output", ".txt");
    Process child =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    boolean ended = child.waitFor(MAX_CHILD_SECONDS, TimeUnit.SECONDS);
    if (!ended) {
      child.destroyForcibly();
    }
    String printed = Files.readString(output);
    assertThat(ended).as("%s ends: %s", command, printed).isTrue();
    assertThat(child.exitValue()).as("%s: %s", command, printed).isZero();
    return printed;
  }
}
