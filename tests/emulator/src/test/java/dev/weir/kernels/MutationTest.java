package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.emulator.Emulator;
import dev.weir.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The emulator finds mistakes: each mutant of a kernel is reported or gives a wrong result, where
 * the kernel itself passes the same check under the same schedules.
 */
class MutationTest {
  private static final Path KERNELS = Path.of("../../kernels/src/main/cuda");
  private static final Path BUILT = Path.of("target/emulator/checked");
  private static final Path MUTANTS = Path.of("target/mutants");
  private static final String LIBRARY = "libweir_kernels_checked.so";

  /** Of threads and blocks, and of what arrives asynchronously. */
  private static final List<String> SCHEDULES =
      List.of(
          "order=forward landing=late",
          "order=reverse landing=random seed=2",
          "order=random landing=late seed=3");

  private static final long COMPILER_LIMIT_MINUTES = 5;

  @BeforeEach
  void needsTheEmulator() {
    Emulator.start("");
    assumeTrue(
        CudaDevice.unavailable().isEmpty(),
        () -> "skipped: " + CudaDevice.unavailable().orElseThrow());
    assumeTrue(Files.isDirectory(BUILT), "skipped: the kernels were not compiled for the host");
  }

  static List<Mutant> mutants() {
    return Mutants.ALL;
  }

  @ParameterizedTest
  @MethodSource("mutants")
  void aMutantIsCaught(Mutant mutant) throws IOException, InterruptedException {
    Path library = compile(mutant);

    Optional<String> caught = Optional.empty();
    for (int i = 0; i < SCHEDULES.size() && caught.isEmpty(); i++) {
      caught = finding(mutant.check(), SCHEDULES.get(i) + " kernels=" + library);
    }

    System.out.println(mutant + " | " + caught.orElse("not caught"));
    assertThat(caught).as("what %s finds of '%s'", mutant.check(), mutant).isPresent();
  }

  @ParameterizedTest
  @EnumSource(OpCheck.class)
  void withoutAMutationNothingIsFound(OpCheck check) {
    for (String schedule : SCHEDULES) {
      assertThat(finding(check, schedule + " kernels=checked")).as(schedule).isEmpty();
    }
  }

  /** What the check finds: the emulator's report, or the wrong result; empty if nothing. */
  private static Optional<String> finding(OpCheck check, String settings) {
    Emulator emulator = Emulator.start(settings);
    String wrong = "";
    try {
      check.run(new DeviceCase("cuda", DType.BF16, () -> CudaDevice.open(0)));
    } catch (DeviceLostException | AssertionError e) { // anything else is no finding of the check
      wrong = e.toString().strip().lines().limit(2).reduce("", (a, b) -> a + " " + b);
    }
    List<String> mistakes = emulator.mistakes();
    if (!mistakes.isEmpty()) {
      return Optional.of(mistakes.getFirst());
    }
    return wrong.isEmpty() ? Optional.empty() : Optional.of(wrong);
  }

  /**
   * A library of all kernels, with one source mutated; the other objects are those of the build.
   */
  private static Path compile(Mutant mutant) throws IOException, InterruptedException {
    Path directory =
        MUTANTS.resolve(Integer.toString(Mutants.ALL.indexOf(mutant))).toAbsolutePath();
    Path objects = Files.createDirectories(directory.resolve("checked"));
    try (DirectoryStream<Path> built = Files.newDirectoryStream(BUILT, "*.o")) {
      for (Path object : built) {
        Files.copy(
            object,
            objects.resolve(object.getFileName()),
            StandardCopyOption.COPY_ATTRIBUTES,
            StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Path mutated = directory.resolve(mutant.source());
    mutant.write(KERNELS.resolve(mutant.source()), mutated);
    List<String> command = new ArrayList<>(List.of("bash", "build-kernels.sh"));
    command.add(directory.toString());
    try (DirectoryStream<Path> sources = Files.newDirectoryStream(KERNELS, "*.cu")) {
      for (Path source : sources) {
        boolean isMutated = source.endsWith(mutant.source());
        command.add((isMutated ? mutated : source.toAbsolutePath()).toString());
      }
    }
    Path log = directory.resolve("log.txt");
    ProcessBuilder compiler = new ProcessBuilder(command);
    compiler.environment().put("WEIR_LIBRARIES", "checked");
    Process process = compiler.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      assertThat(process.waitFor(COMPILER_LIMIT_MINUTES, TimeUnit.MINUTES)).isTrue();
      assertThat(process.exitValue()).as(Files.readString(log)).isZero();
    } finally {
      process.destroyForcibly();
    }
    return directory.resolve(LIBRARY);
  }
}
