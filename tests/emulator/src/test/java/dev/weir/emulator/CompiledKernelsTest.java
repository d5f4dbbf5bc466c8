package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.bindings.cuda.CudaDriver;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What nvcc made of the kernels against what g++ made of them: the emulated driver gives out a
 * kernel only where name, arguments, block size and shared memory of both are the same.
 */
class CompiledKernelsTest {
  private static final Path COMPILED =
      Path.of("../../kernels/target/classes/dev/weir/kernels/cuda");

  /** One line of the build's table of resources. */
  private record Compiled(String family, String kernel, int registers, int staticShared) {}

  @ParameterizedTest
  @CsvSource({"8.0,80", "8.9,89", "9.0,90a", "10.0,100a", "12.0,120"})
  void everyKernelOfEveryArchitectureRunsFromTheSameSource(String capability, String architecture)
      throws IOException {
    Map<String, List<Compiled>> families = families(architecture);
    Emulator emulator = Emulator.start("capability=" + capability);
    for (var family : families.entrySet()) {
      try (Gpu gpu = Gpu.open();
          Arena arena = Arena.ofConfined()) {
        Path cubin = COMPILED.resolve(family.getKey() + ".sm_" + architecture + ".cubin");
        Gpu.check(gpu.load(image(arena, cubin)));
        for (Compiled kernel : family.getValue()) {
          MemorySegment function = gpu.function(kernel.kernel());

          assertThat(attribute(arena, function, CudaDriver.CU_FUNC_ATTRIBUTE_NUM_REGS()))
              .as("registers of %s", kernel.kernel())
              .isEqualTo(kernel.registers());
          assertThat(attribute(arena, function, CudaDriver.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES()))
              .as("static shared memory of %s", kernel.kernel())
              .isEqualTo(kernel.staticShared());
          assertThat(attribute(arena, function, CudaDriver.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES()))
              .as("local memory of %s", kernel.kernel())
              .isZero();
        }
      }
    }
    assertThat(emulator.mistakes()).isEmpty();
  }

  @Test
  void ptxRunsOnADeviceThatNoCubinIsFor() throws IOException {
    List<Path> texts = compiled(".ptx");
    Emulator emulator = Emulator.start("capability=11.0");
    for (Path ptx : texts) {
      try (Gpu gpu = Gpu.open();
          Arena arena = Arena.ofConfined()) {
        Gpu.check(gpu.load(image(arena, ptx)));
      }
    }
    assertThat(emulator.mistakes()).isEmpty();
  }

  private static int attribute(Arena arena, MemorySegment function, int attribute) {
    MemorySegment value = arena.allocate(JAVA_INT);
    Gpu.check(CudaDriver.cuFuncGetAttribute(value, attribute, function));
    return value.get(JAVA_INT, 0);
  }

  private static MemorySegment image(Arena arena, Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    byte[] terminated = Arrays.copyOf(bytes, bytes.length + 1);
    return arena.allocateFrom(JAVA_BYTE, terminated);
  }

  private static Map<String, List<Compiled>> families(String architecture) throws IOException {
    Path table = COMPILED.resolve("resources.sm_" + architecture + ".txt");
    assumeTrue(Files.exists(table), "skipped: this build has no kernels for sm_" + architecture);
    try (Stream<String> lines = Files.lines(table)) {
      return lines
          .skip(1)
          .map(line -> line.split(" "))
          .map(
              field ->
                  new Compiled(
                      field[0], field[1], Integer.parseInt(field[2]), Integer.parseInt(field[3])))
          .collect(Collectors.groupingBy(Compiled::family));
    }
  }

  private static List<Path> compiled(String suffix) throws IOException {
    assumeTrue(Files.isDirectory(COMPILED), "skipped: this build has no CUDA kernels");
    try (Stream<Path> files = Files.list(COMPILED)) {
      List<Path> found = files.filter(file -> file.toString().endsWith(suffix)).toList();
      assumeTrue(!found.isEmpty(), "skipped: this build has no CUDA kernels");
      return found;
    }
  }
}
