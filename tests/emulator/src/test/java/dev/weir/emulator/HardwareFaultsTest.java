package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.cuda.CudaDevice;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Weir's CUDA device where the hardware goes, and where it may choose its order. */
class HardwareFaultsTest {
  private static final String CHECKED = "mode=lazy order=random landing=random";
  private static final int ROWS = 5;
  private static final int DIM = 256;
  private static final short BF16_ONE = 0x3F80;
  private static final float EPSILON = 1e-6F;
  private static final int SEEDS = 5;

  private static final StepLimits LIMITS =
      new StepLimits(
          ROWS,
          1,
          1,
          64,
          new AttentionShape(1, 1, 64, 1, AttentionShape.NO_WINDOW, 0),
          64,
          DType.BF16);

  @Test
  void bitsDoNotDependOnTheScheduleOfTheHardware() {
    Set<List<Short>> results = new HashSet<>();
    for (int seed = 1; seed <= SEEDS; seed++) {
      Emulator emulator = start(CHECKED + " seed=" + seed);
      try (CudaDevice device = CudaDevice.open(0)) {
        results.add(norm(device));
      }
      assertThat(emulator.mistakes()).isEmpty();
    }
    for (String settings : List.of("mode=eager", "mode=eager order=reverse landing=early")) {
      start(settings);
      try (CudaDevice device = CudaDevice.open(0)) {
        results.add(norm(device));
      }
    }

    assertThat(results).hasSize(1);
  }

  @Test
  void aDeviceThatFallsOffTheBusIsLostAtWhateverCall() {
    Emulator emulator = start("mode=eager");
    long calls;
    try (CudaDevice device = CudaDevice.open(0)) {
      long before = emulator.count("call");
      norm(device);
      calls = emulator.count("call") - before;
    }
    assertThat(calls).isGreaterThan(10);
    for (long at = 1; at <= calls; at++) {
      emulator = start("mode=eager");
      try (CudaDevice device = CudaDevice.open(0)) {
        emulator.configure("fail=lost:+" + at + ":CUDA_ERROR_ECC_UNCORRECTABLE");

        assertThatThrownBy(() -> norm(device))
            .as("call %d of %d", at, calls)
            .isInstanceOf(DeviceLostException.class)
            .hasMessageContaining("CUDA_ERROR_ECC_UNCORRECTABLE");
      }
    }
  }

  private static Emulator start(String settings) {
    Emulator emulator = Emulator.start(settings);
    assumeTrue(
        CudaDevice.unavailable().isEmpty(),
        () -> "skipped: " + CudaDevice.unavailable().orElseThrow());
    return emulator;
  }

  /** Norms some numbers with a device that was just opened, and gives what it computes. */
  private static List<Short> norm(Device device) {
    short[] ones = new short[ROWS * DIM];
    float[] weights = new float[DIM];
    for (int i = 0; i < ones.length; i++) {
      ones[i] = (short) (BF16_ONE + i % DIM);
      weights[i % DIM] = 1 + i % 3;
    }
    Buffer residual = device.allocate(2L * ones.length, "test residual");
    Buffer delta = device.allocate(2L * ones.length, "test delta");
    Buffer weight = device.allocate(4L * DIM, "test weight");
    Buffer out = device.allocate(2L * ones.length, "test output");
    device.write(residual, 0, MemorySegment.ofArray(ones));
    device.write(delta, 0, MemorySegment.ofArray(ones));
    device.write(weight, 0, MemorySegment.ofArray(weights));
    device.reserve(LIMITS);
    device.kernels().addRmsNorm(ROWS, DIM, residual, delta, weight, EPSILON, out);
    MemorySegment result = MemorySegment.ofArray(new short[ones.length]);
    device.read(out, 0, result);
    List.of(residual, delta, weight, out).forEach(device::free);
    return IntStream.range(0, ones.length).mapToObj(i -> result.getAtIndex(JAVA_SHORT, i)).toList();
  }
}
