package dev.weir.server.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * The small model that comes with Weir. Weights are read through file mappings, which cannot look
 * into a jar, so the model is unpacked once into the user's cache folder, under a name made from
 * its content. A folder appears there whole or not at all: files are written beside it, forced to
 * disk, and the folder renamed. Any number of processes may do so at once.
 */
final class DemoModel {
  /** The name the model is served under. */
  static final String NAME = "weir-demo";

  private static final String CONFIG = "/dev/weir/server/demo-model/config.json";

  /** 2^64 divided by the golden ratio: odd, and spreads sums over all 64 bits. */
  private static final long SPREAD = 0x9E3779B97F4A7C15L;

  private static final int COPY_BYTES = 1 << 16;

  /** Another process can win a rename, and a damaged folder must be removed: two tries each. */
  private static final int ATTEMPTS = 4;

  private DemoModel() {}

  /**
   * The model's directory; unpacks it where it lies in a jar.
   *
   * @throws CommandException if this build has no model, or it cannot be unpacked
   */
  static Path directory() {
    URL config = DemoModel.class.getResource(CONFIG);
    if (config == null) {
      throw new CommandException(
          ExitStatus.MODEL, "this build has no demo model; name a Hugging Face model directory");
    }
    try {
      if (config.openConnection() instanceof JarURLConnection connection) {
        String entry = connection.getEntryName();
        Path jar = Path.of(connection.getJarFileURL().toURI());
        return unpack(jar, entry.substring(0, entry.lastIndexOf('/') + 1), cacheFolder());
      }
      return Path.of(config.toURI()).resolveSibling("");
    } catch (IOException e) {
      throw new CommandException(
          ExitStatus.MODEL, "cannot unpack the demo model: " + Failures.describe(e), e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e); // class loaders make no such URLs
    }
  }

  private static Path cacheFolder() throws IOException {
    Path folder =
        cacheFolder(System.getenv("XDG_CACHE_HOME"), System.getProperty("user.home", "/"));
    try {
      return Files.createDirectories(folder);
    } catch (IOException unusable) { // a read-only home: containers have them
      Path temporary = Files.createTempDirectory("weir-");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(temporary), "weir-cleanup"));
      return temporary;
    }
  }

  /** The user's cache folder for Weir; relative values of the variable are ignored, as XDG says. */
  static Path cacheFolder(@Nullable String xdgCacheHome, String home) {
    return xdgCacheHome != null && Path.of(xdgCacheHome).isAbsolute()
        ? Path.of(xdgCacheHome, "weir")
        : Path.of(home, ".cache", "weir");
  }

  /**
   * The files under a prefix of a jar, as a folder of the cache.
   *
   * @param prefix ends with a slash
   */
  static Path unpack(Path jar, String prefix, Path cache) throws IOException {
    try (JarFile file = new JarFile(jar.toFile())) {
      List<JarEntry> entries =
          file.stream()
              .filter(entry -> entry.getName().startsWith(prefix) && !entry.isDirectory())
              .sorted(Comparator.comparing(JarEntry::getName))
              .toList();
      Path target = cache.resolve("demo-model-" + key(entries));
      for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (complete(target, entries, prefix)) {
          return target;
        }
        publish(file, entries, prefix, cache, target);
      }
      throw new FileSystemException(target.toString(), null, "is damaged and cannot be replaced");
    }
  }

  private static void publish(
      JarFile jar, List<JarEntry> entries, String prefix, Path cache, Path target)
      throws IOException {
    Path fresh = Files.createTempDirectory(cache, "unpacking-");
    try {
      for (JarEntry entry : entries) {
        try (InputStream in = jar.getInputStream(entry)) {
          write(in, fresh.resolve(entry.getName().substring(prefix.length())));
        }
      }
      if (Files.exists(target)) { // damaged, or another process was faster; it was looked at
        if (complete(target, entries, prefix)) {
          return;
        }
        Files.move(target, fresh.resolve("damaged"), StandardCopyOption.ATOMIC_MOVE);
        delete(fresh.resolve("damaged"));
      }
      Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (FileSystemException e) {
      if (!Files.exists(target)) {
        throw e;
      } // lost the race: the next look at the target decides
    } finally {
      delete(fresh);
    }
  }

  private static void write(InputStream in, Path file) throws IOException {
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      byte[] bytes = new byte[COPY_BYTES];
      for (int count = in.read(bytes); count >= 0; count = in.read(bytes)) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes, 0, count);
        while (buffer.hasRemaining()) {
          out.write(buffer);
        }
      }
      out.force(true); // the rename must not reach the disk before the bytes do
    }
  }

  private static boolean complete(Path target, List<JarEntry> entries, String prefix)
      throws IOException {
    for (JarEntry entry : entries) {
      Path file = target.resolve(entry.getName().substring(prefix.length()));
      if (!Files.isRegularFile(file) || Files.size(file) != entry.getSize()) {
        return false;
      }
    }
    return true;
  }

  /** From names, sizes and checksums, which the jar's directory has: nothing is read for it. */
  private static String key(List<JarEntry> entries) {
    CRC32 names = new CRC32();
    long content = 0;
    for (JarEntry entry : entries) {
      names.update(entry.getName().getBytes(StandardCharsets.UTF_8));
      content = content * SPREAD + entry.getSize();
      content = content * SPREAD + entry.getCrc();
    }
    return Long.toHexString(content * SPREAD + names.getValue());
  }

  private static void delete(Path folder) {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      System.getLogger(DemoModel.class.getName())
          .log(System.Logger.Level.WARNING, "cannot remove {0}: {1}", folder, e);
    }
  }
}
