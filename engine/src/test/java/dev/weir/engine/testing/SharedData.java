package dev.weir.engine.testing;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/**
 * Finds the folder of third-party cases and models that lies beside the repository on some
 * machines.
 *
 * <p>Nothing in the repository depends on it: a test that wants it calls {@link #require} and is
 * reported as skipped where the folder is absent.
 */
public final class SharedData {

  private static final String FOLDER = "shared";
  private static final String MARKER = "DESIGN.md";

  private SharedData() {}

  /**
   * The shared folder: the first {@code shared} holding {@code DESIGN.md} that lies in the working
   * directory or in one of its ancestors.
   */
  public static Optional<Path> find() {
    for (Path folder = Path.of("").toAbsolutePath(); folder != null; folder = folder.getParent()) {
      Path shared = folder.resolve(FOLDER);
      if (Files.isRegularFile(shared.resolve(MARKER))) {
        return Optional.of(shared);
      }
    }
    return Optional.empty();
  }

  /**
   * The file or folder at {@code relative} (for example {@code data/chat_templates}) inside the
   * shared folder. Aborts the calling test, as skipped, where it is absent.
   */
  public static Path require(String relative) {
    Optional<Path> path = find().map(shared -> shared.resolve(relative)).filter(Files::exists);
    Assumptions.assumeTrue(path.isPresent(), () -> "skipped: no shared/" + relative + " here");
    return path.orElseThrow();
  }
}
