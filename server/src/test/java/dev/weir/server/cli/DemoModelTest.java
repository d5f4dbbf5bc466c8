package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Unpacking a model from a jar: whole or not at all, once per content, by any number of processes.
 */
class DemoModelTest {
  private static final String PREFIX = "dev/weir/demo/";
  private static final int WEIGHT_BYTES = 1 << 20;

  @TempDir private Path folder;
  private Path cache;
  private Path jar;
  private byte[] weights;

  @BeforeEach
  void aJarWithAModel() throws IOException {
    cache = Files.createDirectory(folder.resolve("cache"));
    weights = new byte[WEIGHT_BYTES];
    new Random(1).nextBytes(weights);
    jar = jar("one.jar", weights);
  }

  private Path jar(String name, byte[] content) throws IOException {
    Path file = folder.resolve(name);
    try (OutputStream out = Files.newOutputStream(file);
        JarOutputStream entries = new JarOutputStream(out)) {
      add(entries, "dev/weir/Other.class", new byte[] {1});
      add(entries, PREFIX + "config.json", "{}".getBytes(StandardCharsets.UTF_8));
      add(entries, PREFIX + "model.safetensors", content);
    }
    return file;
  }

  private static void add(JarOutputStream out, String name, byte[] bytes) throws IOException {
    out.putNextEntry(new JarEntry(name));
    out.write(bytes);
    out.closeEntry();
  }

  @Test
  void theFilesOfTheModelAndNoOthersAreThere() throws IOException {
    Path model = DemoModel.unpack(jar, PREFIX, cache);

    assertThat(files(model)).containsExactly("config.json", "model.safetensors");
    assertThat(model.resolve("model.safetensors")).hasBinaryContent(weights);
    assertThat(files(cache)).hasSize(1);
  }

  @Test
  void theSecondTimeNothingIsWritten() throws IOException {
    Path first = DemoModel.unpack(jar, PREFIX, cache);
    Object written = Files.getLastModifiedTime(first.resolve("model.safetensors"));

    assertThat(DemoModel.unpack(jar, PREFIX, cache)).isEqualTo(first);
    assertThat(Files.getLastModifiedTime(first.resolve("model.safetensors"))).isEqualTo(written);
  }

  @Test
  void anotherContentGetsAnotherFolder() throws IOException {
    byte[] other = weights.clone();
    other[0]++;

    Path first = DemoModel.unpack(jar, PREFIX, cache);
    Path second = DemoModel.unpack(jar("two.jar", other), PREFIX, cache);

    assertThat(second).isNotEqualTo(first);
    assertThat(first.resolve("model.safetensors")).hasBinaryContent(weights);
    assertThat(second.resolve("model.safetensors")).hasBinaryContent(other);
  }

  @Test
  void aFolderThatLostAFileIsReplaced() throws IOException {
    Path model = DemoModel.unpack(jar, PREFIX, cache);
    Files.delete(model.resolve("config.json"));

    assertThat(DemoModel.unpack(jar, PREFIX, cache)).isEqualTo(model);
    assertThat(files(model)).containsExactly("config.json", "model.safetensors");
    assertThat(files(cache)).hasSize(1);
  }

  @Test
  void aFolderWithACutFileIsReplaced() throws IOException {
    Path model = DemoModel.unpack(jar, PREFIX, cache);
    Files.write(model.resolve("model.safetensors"), new byte[WEIGHT_BYTES / 2]);

    DemoModel.unpack(jar, PREFIX, cache);
    assertThat(model.resolve("model.safetensors")).hasBinaryContent(weights);
  }

  @Test
  void whatAKilledProcessLeftIsNotTakenForTheModel() throws IOException {
    Path left = Files.createDirectory(cache.resolve("unpacking-123"));
    Files.write(left.resolve("model.safetensors"), new byte[1]);

    Path model = DemoModel.unpack(jar, PREFIX, cache);
    assertThat(model.resolve("model.safetensors")).hasBinaryContent(weights);
  }

  @Test
  void manyAtOnceAllGetTheWholeModel() throws Exception {
    int processes = 8;
    try (ExecutorService executor = Executors.newFixedThreadPool(processes)) {
      List<Callable<Boolean>> tasks = new ArrayList<>();
      for (int i = 0; i < processes; i++) {
        tasks.add(
            () -> {
              Path model = DemoModel.unpack(jar, PREFIX, cache);
              return java.util.Arrays.equals(
                  Files.readAllBytes(model.resolve("model.safetensors")), weights);
            });
      }
      for (Future<Boolean> whole : executor.invokeAll(tasks)) {
        assertThat(whole.get()).isTrue();
      }
    }
    assertThat(files(cache)).hasSize(1);
  }

  @Test
  void aCacheThatCannotBeWrittenIsAnErrorAndNoModel() throws IOException {
    Path file = Files.createFile(folder.resolve("a file"));

    assertThatThrownBy(() -> DemoModel.unpack(jar, PREFIX, file)).isInstanceOf(IOException.class);
  }

  @Test
  void theCacheFolderFollowsTheXdgVariableWhereItIsAbsolute() {
    assertThat(DemoModel.cacheFolder("/x/cache", "/home/a")).isEqualTo(Path.of("/x/cache/weir"));
    assertThat(DemoModel.cacheFolder("relative", "/home/a"))
        .isEqualTo(Path.of("/home/a/.cache/weir"));
    assertThat(DemoModel.cacheFolder(null, "/home/a")).isEqualTo(Path.of("/home/a/.cache/weir"));
  }

  private static List<String> files(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
