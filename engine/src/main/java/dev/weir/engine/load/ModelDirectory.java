package dev.weir.engine.load;

import static dev.weir.engine.load.ModelLoadException.quote;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Finds the folder that holds a model's files. Looks at local files only. */
public final class ModelDirectory {

  private static final String CONFIG = "config.json";
  private static final int MAX_REVISION_BYTES = 256; // a commit hash has 40

  private ModelDirectory() {}

  /**
   * The folder with {@code config.json}: the given one, or, if that is a model's top folder in a
   * Hugging Face hub cache ({@code models--org--name}), the snapshot that {@code refs/main} names,
   * or else the only snapshot.
   *
   * @throws ModelLoadException if there is no such folder, or no single one
   */
  public static Path resolve(Path given) {
    if (!Files.isDirectory(given)) {
      throw new ModelLoadException(
          given,
          "model directory",
          Files.exists(given) ? "is a file" : "does not exist",
          "give the directory that holds config.json");
    }
    if (Files.exists(given.resolve(CONFIG))) {
      return given;
    }
    Path snapshots = given.resolve("snapshots");
    if (!Files.isDirectory(snapshots)) {
      throw noConfig(given);
    }
    try {
      Path snapshot = snapshot(given, snapshots);
      if (!Files.exists(snapshot.resolve(CONFIG))) {
        throw noConfig(snapshot);
      }
      return snapshot;
    } catch (IOException e) {
      throw StrictJson.unreadable(given, e);
    }
  }

  private static Path snapshot(Path given, Path snapshots) throws IOException {
    Path main = given.resolve("refs").resolve("main");
    if (Files.isRegularFile(main)) {
      String revision;
      try (var in = Files.newInputStream(main)) {
        revision =
            new String(in.readNBytes(MAX_REVISION_BYTES), StandardCharsets.ISO_8859_1).strip();
      }
      if (!revision.matches("[0-9A-Za-z][0-9A-Za-z._-]*")) {
        throw new ModelLoadException(
            main, "revision", quote(revision) + " is not a revision", "fetch the model again");
      }
      if (Files.isDirectory(snapshots.resolve(revision))) {
        return snapshots.resolve(revision);
      }
    }
    List<Path> candidates;
    try (Stream<Path> children = Files.list(snapshots)) {
      candidates = children.filter(Files::isDirectory).limit(2).toList();
    }
    if (candidates.size() == 1) {
      return candidates.getFirst();
    }
    throw new ModelLoadException(
        given,
        "snapshots",
        candidates.isEmpty() ? "there is none" : "there are several and refs/main names none",
        "give the directory of one snapshot");
  }

  private static ModelLoadException noConfig(Path directory) {
    return new ModelLoadException(
        directory,
        "model directory",
        "holds no " + CONFIG,
        "give the directory of a Hugging Face checkpoint");
  }
}
