package dev.weir.tests.page;

import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Headless Chromium, started anew for each page. */
final class Browser {
  private static final List<String> NAMES =
      List.of("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");

  /** Far longer than a page takes: a hang fails the test instead of stopping the build. */
  private static final int PATIENCE_SECONDS = 120;

  private final Path program;
  private final Path folder;

  private Browser(Path program, Path folder) {
    this.program = program;
    this.folder = folder;
  }

  /**
   * A page that stays open, in real time.
   *
   * @param width of the window, in pixels
   */
  OpenPage open(URI page, int width) throws IOException, InterruptedException {
    Path profile = Files.createTempDirectory(folder, "profile");
    Path log = Files.createTempFile(folder, "browser", ".log");
    Process process =
        new ProcessBuilder(
                program.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--window-size=" + width + ",900",
                "--user-data-dir=" + profile,
                "--remote-debugging-port=0",
                page.toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    return OpenPage.of(process, profile, page);
  }

  /** The browser on the search path, if there is one. */
  static Optional<Browser> find(Path folder) {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return Arrays.stream(path.split(File.pathSeparator, -1))
        .filter(directory -> !directory.isEmpty())
        .flatMap(directory -> NAMES.stream().map(name -> Path.of(directory, name)))
        .filter(Files::isExecutable)
        .findFirst()
        .map(program -> new Browser(program, folder));
  }

  /**
   * The document as it stands after some time of the page's own clock, which leaps where the page
   * only waits.
   */
  String document(URI page, int virtualMillis) throws IOException, InterruptedException {
    Path profile = Files.createTempDirectory(folder, "profile");
    Path out = Files.createTempFile(folder, "document", ".html");
    Path err = Files.createTempFile(folder, "browser", ".log");
    Process process =
        new ProcessBuilder(
                program.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--user-data-dir=" + profile,
                "--virtual-time-budget=" + virtualMillis,
                "--dump-dom",
                page.toString())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
      throw new AssertionError("the browser hangs: " + Files.readString(err));
    }
    String document = Files.readString(out);
    if (process.exitValue() != 0 || document.isEmpty()) {
      throw new AssertionError(
          "the browser ended with %d: %s".formatted(process.exitValue(), Files.readString(err)));
    }
    return document;
  }
}
