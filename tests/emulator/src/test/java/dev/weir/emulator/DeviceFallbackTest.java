package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceMemoryException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A GPU that cannot be used is refused by name where it was asked for; auto goes on without it. */
class DeviceFallbackTest {
  @TempDir Path folder;

  private EngineOptions options(DeviceChoice device) {
    return EngineOptions.of(TinyModel.write(folder, DType.BF16, 1))
        .withDevice(device)
        .withKvBytes(1 << 20);
  }

  private void assertAutoIsOnTheCpu() throws InterruptedException {
    Request request = Request.of(Prompt.of("a weir"), Sampling.greedy(3));
    try (Engine engine = Engine.open(options(DeviceChoice.AUTO))) {
      assertThat(engine.deviceName()).doesNotContain("cuda");
      assertThat(engine.submit(request).await().choices().getFirst().tokenIds()).isNotEmpty();
    }
  }

  @Test
  void whereTheModelDoesNotFit() throws InterruptedException {
    Emulator emulator = Emulator.start("memory=1m");
    assertThatThrownBy(() -> Engine.open(options(DeviceChoice.CUDA)))
        .isInstanceOf(DeviceMemoryException.class)
        .hasMessageContaining("smaller");
    assertAutoIsOnTheCpu();
    assertThat(emulator.count("allocations")).isZero();
    assertThat(emulator.count("pinned")).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"capability=7.5", "driver=12080"})
  void whereGpuOrDriverAreTooOld(String settings) throws InterruptedException {
    Emulator.start(settings);
    assertThatThrownBy(() -> Engine.open(options(DeviceChoice.CUDA)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("too old");
    assertAutoIsOnTheCpu();
  }

  @Test
  void whereThereAreFewerGpus() {
    Emulator.start("devices=2");
    assertThatThrownBy(() -> Engine.open(options(DeviceChoice.cuda(2))))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cuda:2");
  }
}
