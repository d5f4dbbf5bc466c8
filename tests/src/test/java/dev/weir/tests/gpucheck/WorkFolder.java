package dev.weir.tests.gpucheck;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A folder for models, with room for them; goes with what is in it. */
record WorkFolder(Path folder) implements AutoCloseable {
  private static final Path MEMORY = Path.of("/dev/shm");

  /**
   * @throws IOException if no folder has room
   */
  static WorkFolder open(Options options, long bytes) throws IOException {
    List<Path> candidates =
        options.work().isEmpty()
            ? List.of(MEMORY, Path.of(System.getProperty("java.io.tmpdir")), options.out())
            : List.of(Path.of(options.work()));
    for (Path candidate : candidates) {
      if (candidate.equals(options.out())) {
        Files.createDirectories(candidate);
      }
      if (Files.isWritable(candidate)
          && Files.getFileStore(candidate).getUsableSpace() > bytes + bytes / 8) {
        return new WorkFolder(Files.createTempDirectory(candidate, "weir-gpu-check-"));
      }
    }
    throw new IOException(
        "no room for %d MB in any of %s; name a folder with --work"
            .formatted(bytes >> 20, candidates));
  }

  @Override
  public void close() throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
