package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.bindings.cuda.CudaDriver;
import org.junit.jupiter.api.Test;

/** Setting the emulated driver up. */
class EmulatorTest {
  @Test
  void aSettingThatDoesNotExistIsNamed() {
    Emulator emulator = Emulator.start("");

    assertThatThrownBy(() -> emulator.configure("seed=3 sed=4")).hasMessageContaining("'sed'");
    assertThatThrownBy(() -> emulator.configure("mode=lasy")).hasMessageContaining("eager, lazy");
    assertThatThrownBy(() -> emulator.configure("fail=cuInit:1:CUDA_ERROR_NONE"))
        .hasMessageContaining("CUDA_ERROR_NONE");
  }

  @Test
  void callsAreCountedAndTheNthFailsAsConfigured() {
    Emulator emulator = Emulator.start("fail=cuInit:2:CUDA_ERROR_SYSTEM_DRIVER_MISMATCH");

    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_SUCCESS());
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH());
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_SUCCESS());
    assertThat(emulator.count("cuInit")).isEqualTo(3);
  }

  @Test
  void theNthFromNowIsCountedFromWhenItIsConfigured() {
    Emulator emulator = Emulator.start("");
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_SUCCESS());

    emulator.configure("fail=cuInit:+2:CUDA_ERROR_SYSTEM_DRIVER_MISMATCH");
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_SUCCESS());
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH());
    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_SUCCESS());
  }

  @Test
  void aMachineWithoutDevicesSaysSo() {
    Emulator.start("devices=0");

    assertThat(CudaDriver.cuInit(0)).isEqualTo(CudaDriver.CUDA_ERROR_NO_DEVICE());
  }
}
