package dev.weir.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@EnabledOnOs(value = OS.LINUX, disabledReason = "CUDA drivers and their names are Linux's here")
class CudaDriverLibraryTest {
  /** Where an ELF file says whether it is for 32 or for 64 bits (ELF specification, e_ident). */
  private static final int ELF_CLASS_BYTE = 4;

  private static final byte ELF_CLASS_32_BIT = 1;

  @TempDir Path folder;

  @Test
  void aDriverThatIsNotThereIsNamedWithTheLinkersReasonAndTheRemedy() {
    String absent = folder.resolve("libcuda.so.1").toString();

    CudaDriverLibrary library = CudaDriverLibrary.open(absent);

    assertThat(library.why())
        .hasValueSatisfying(
            why ->
                assertThat(why)
                    .startsWith("no CUDA driver: " + absent)
                    .contains("No such file or directory")
                    .contains("install the NVIDIA driver")
                    .contains("-Dweir.cuda.driver=")
                    .doesNotContain("\n"));
  }

  @Test
  void aLibraryForAnotherMachineIsNamedWithTheLinkersReason() throws Exception {
    byte[] library = Files.readAllBytes(Path.of(System.getProperty("java.home"), "lib/libjava.so"));
    library[ELF_CLASS_BYTE] = ELF_CLASS_32_BIT;
    Path driver = Files.write(folder.resolve("libcuda.so.1"), library);

    Optional<String> why = CudaDriverLibrary.open(driver.toString()).why();

    assertThat(why)
        .hasValueSatisfying(
            reason -> assertThat(reason).contains(driver.toString(), "wrong ELF class"));
  }

  @Test
  void anEmptyOrUnspeakableNameIsNoDriver() {
    assertThat(CudaDriverLibrary.open("").why())
        .hasValueSatisfying(why -> assertThat(why).contains("-Dweir.cuda.driver is empty"));
    assertThat(CudaDriverLibrary.open("a\0b").why()).isPresent();
  }

  @Test
  void aLibraryThatIsNoDriverIsRefused() throws Exception {
    Path other = sharedLibrary("int answer(void) { return 42; }");

    CudaDriverLibrary library = CudaDriverLibrary.open(other.toString());

    assertThat(library.why())
        .hasValueSatisfying(why -> assertThat(why).contains(other.toString(), "no cuInit"));
  }

  @Test
  void everyLookupWithoutADriverThrowsTheSameReason() {
    CudaDriverLibrary library = CudaDriverLibrary.open(folder.resolve("absent.so").toString());

    for (String function : List.of("cuInit", "cuLaunchKernelEx", "cuInit")) {
      assertThatThrownBy(() -> library.find(function))
          .isInstanceOf(UnsatisfiedLinkError.class)
          .hasMessage(library.why().orElseThrow());
    }
  }

  @Test
  void aFunctionThatADriverLacksIsNamedAsTooNewForIt() throws Exception {
    Path old = sharedLibrary("int cuInit(unsigned flags) { return 0; }");

    CudaDriverLibrary library = CudaDriverLibrary.open(old.toString());

    assertThat(library.why()).isEmpty();
    assertThat(library.find("cuInit")).isPresent();
    assertThatThrownBy(() -> library.find("cuGreenCtxCreate"))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessageContainingAll(old.toString(), "cuGreenCtxCreate", "too old", "580");
  }

  @Test
  void thePropertyChoosesTheDriverThatTheBindingsCall() throws Exception {
    Path driver = sharedLibrary("int cuInit(unsigned flags) { return (int) flags + 35; }");

    String printed = probe("--enable-native-access=ALL-UNNAMED", "-Dweir.cuda.driver=" + driver);

    assertThat(printed).isEqualToIgnoringNewLines("cuInit: " + (DriverProbe.FLAGS + 35));
  }

  @Test
  void deniedNativeAccessIsNamedWithTheFlagThatGrantsIt() throws Exception {
    String printed = probe("--illegal-native-access=deny");

    assertThat(printed).startsWith("no CUDA driver").contains("--enable-native-access=ALL-UNNAMED");
  }

  private Path sharedLibrary(String source) throws Exception {
    Path file = Files.writeString(folder.resolve("library.c"), source);
    Path library = folder.resolve("library.so");
    Native.compile(folder, "-shared", "-fPIC", "-o", library.toString(), file.toString());
    return library;
  }

  private String probe(String... flags) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(Stream.of(flags).toList());
    command.addAll(
        List.of("-cp", System.getProperty("java.class.path"), DriverProbe.class.getName()));
    return Native.run(folder, command);
  }
}
