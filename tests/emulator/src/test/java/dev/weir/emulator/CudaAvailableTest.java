package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * The op tests of this module are skipped where CUDA is unavailable; this makes sure that it is not
 * unavailable for no reason.
 */
class CudaAvailableTest {
  private static final Path COMPILED =
      Path.of("../../kernels/target/classes/dev/weir/kernels/cuda");

  @Test
  void aBuildWithKernelsHasACudaDevice() throws IOException {
    Emulator.start("");
    assumeKernels();

    assertThat(CudaDevice.unavailable()).isEmpty();
    assertThat(CudaDevice.count()).isEqualTo(1);
  }

  @Test
  void aMachineWithoutAGpuSaysSo() {
    Emulator.start("devices=0");

    assertThat(CudaDevice.unavailable()).hasValueSatisfying(why -> assertThat(why).contains("GPU"));
    assertThat(CudaDevice.count()).isZero();
  }

  @Test
  void aDriverThatIsTooOldIsNamedWithTheRemedy() {
    Emulator.start("driver=12080");

    assertThat(CudaDevice.unavailable())
        .hasValueSatisfying(why -> assertThat(why).contains("too old", "12.8", "580"));
  }

  @Test
  void aDeviceThatIsTooOldIsNamed() throws IOException {
    Emulator.start("capability=7.5");
    assumeKernels();

    assertThat(CudaDevice.unavailable()).hasValueSatisfying(why -> assertThat(why).contains("7.5"));
  }

  private static void assumeKernels() throws IOException {
    try (var files = Files.list(COMPILED)) {
      assumeTrue(
          files.anyMatch(file -> file.toString().endsWith(".sm_90a.cubin")),
          "skipped: this build has no CUDA kernels");
    }
  }
}
