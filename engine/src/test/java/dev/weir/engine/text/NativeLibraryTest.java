package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The native library comes from the class path, and nothing else happens while it is loaded. */
class NativeLibraryTest {

  private static final long MAX_SECONDS = 120;

  /** Classes that look for a GPU, download, report home or open a connection. */
  private static final Pattern TRAP =
      Pattern.compile(
          " (ai\\.djl\\.(?!huggingface\\.tokenizers\\.jni\\.(TokenizersLibrary|CharSpan) )"
              + "|com\\.sun\\.jna\\."
              + "|java\\.net\\.(InetAddress|Socket|HttpURLConnection|http)"
              + "|sun\\.nio\\.ch\\.Net "
              + "|java\\.lang\\.ProcessImpl)");

  /** What the child process runs: a whole life of a tokenizer. */
  static final class Child {
    public static void main(String[] arguments) {
      NativeTokenizer tokenizer = new NativeTokenizer(TinyTokenizer.JSON);
      int[] ids = tokenizer.encode("a b", false);
      tokenizer.close();
      System.out.println("encoded " + ids.length);
    }
  }

  @Test
  void loading_opens_no_connection_and_leaves_no_file_behind(@TempDir Path folder)
      throws IOException, InterruptedException {
    Path home = Files.createDirectory(folder.resolve("home"));
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    Path working = Files.createDirectory(folder.resolve("working"));
    Path log = folder.resolve("classes.log");
    Path output = folder.resolve("output.log");

    // Given an environment that would send the library's own loader to the network,
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xlog:class+load:file=" + log,
                "-XX:-UsePerfData",
                "-Duser.home=" + home,
                "-Djava.io.tmpdir=" + temporary,
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName())
            .directory(working.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    builder.environment().put("HOME", home.toString());
    builder.environment().put("RUST_FLAVOR", "cu124");
    builder.environment().put("DJL_OFFLINE", "false");

    // when a process loads a tokenizer, uses it and ends,
    Process process = builder.start();
    assertThat(process.waitFor(MAX_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(Files.readString(output)).isEqualTo("encoded 3\n");

    // then none of the classes that could do harm was even loaded, and no file is left.
    List<String> loaded = Files.readAllLines(log);
    assertThat(loaded)
        .anyMatch(line -> line.contains("ai.djl.huggingface.tokenizers.jni.TokenizersLibrary "));
    assertThat(loaded.stream().filter(line -> TRAP.matcher(line).find())).isEmpty();
    for (Path left : List.of(home, temporary, working)) {
      assertThat(left).isEmptyDirectory();
    }
  }

  @Test
  void a_machine_without_a_build_of_the_library_is_named() {
    assertThat(NativeLibrary.resource("Linux", "amd64"))
        .isEqualTo("/native/lib/linux-x86_64/cpu/libtokenizers.so");
    assertThatThrownBy(() -> NativeLibrary.resource("SunOS", "sparcv9"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("SunOS on sparcv9");
  }
}
