package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.UnsupportedShapeException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A GPU that cannot be used is refused by name where it was asked for; auto goes on without it. */
class DeviceFallbackTest {
  @TempDir Path folder;

  private EngineOptions options(DeviceChoice device) {
    return options(TinyModel.write(folder, DType.BF16, 1), device);
  }

  private static EngineOptions options(Path model, DeviceChoice device) {
    return EngineOptions.of(model).withDevice(device).withKvBytes(1 << 20);
  }

  private void assertAutoIsOnTheCpu() throws InterruptedException {
    assertIsOnTheCpu(options(DeviceChoice.AUTO));
  }

  private static void assertIsOnTheCpu(EngineOptions options) throws InterruptedException {
    Request request = Request.of(Prompt.of("a weir"), Sampling.greedy(3));
    try (Engine engine = Engine.open(options)) {
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

  @ParameterizedTest
  @MethodSource("shapes")
  void whereNoKernelTakesTheModelsShape(Map<String, Object> shape, String reason)
      throws InterruptedException {
    Emulator emulator = Emulator.start("kernels=fast");
    Path model = TinyModel.write(folder, shape, 1);
    assertThatThrownBy(() -> Engine.open(options(model, DeviceChoice.CUDA)))
        .isInstanceOf(UnsupportedShapeException.class)
        .hasMessageContaining(reason);
    assertThat(emulator.count("allocations")).isZero();
    assertIsOnTheCpu(options(model, DeviceChoice.AUTO));
    assertThat(emulator.mistakes()).isEmpty();
  }

  static Stream<Arguments> shapes() {
    return Stream.of(
        arguments(Map.of("head_dim", 12), "multiple of 8 elements"),
        arguments(Map.of("hidden_size", 8200), "a norm over 8200 elements"),
        arguments(Map.of("vocab_size", 262_145, "hidden_size", 8), "a vocabulary of 262145 tokens"),
        arguments(
            Map.of("head_dim", 24, "partial_rotary_factor", 0.25), "a multiple of 4 elements"));
  }

  @Test
  void whereThereAreFewerGpus() {
    Emulator.start("devices=2");
    assertThatThrownBy(() -> Engine.open(options(DeviceChoice.cuda(2))))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cuda:2");
  }
}
