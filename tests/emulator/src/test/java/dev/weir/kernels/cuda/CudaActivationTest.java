package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.emulator.Emulator;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The launch of {@code activation.cu}: its grid has room for the longest steps. */
class CudaActivationTest {
  /** More than the second and third side of a grid may have. */
  private static final int ROWS = 65_536;

  /** BF16 numbers: a gate of 1 and its silu times 4 in the same type, 0.731… × 4 = 2.92…. */
  private static final short ONE = 0x3F80;

  private static final short FOUR = 0x4080;
  private static final short SILU_OF_ONE_TIMES_FOUR = 0x403B;

  @Test
  void aStepOfMoreRowsThanAGridHasOnItsSecondSideIsComputedToItsLastRow() {
    Emulator emulator = Emulator.start("kernels=fast");
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    assumeTrue(
        CudaDevice.class.getResource("activation.compute_80.ptx") != null,
        "skipped: this build has no CUDA kernels");
    try (CudaDevice device = CudaDevice.open(0);
        Arena arena = Arena.ofConfined()) {
      DeviceBuffer gateUp = device.allocate(2L * ROWS * Short.BYTES, "gate and up");
      DeviceBuffer out = device.allocate((long) ROWS * Short.BYTES, "activated");
      MemorySegment values = arena.allocate(JAVA_SHORT, 2L * ROWS);
      for (int row = 0; row < ROWS; row++) {
        values.setAtIndex(JAVA_SHORT, 2L * row, ONE);
        values.setAtIndex(JAVA_SHORT, 2L * row + 1, FOUR);
      }
      device.write(gateUp, 0, values);
      new CudaActivation(device.module("activation"), device.stream(), DType.BF16)
          .gatedActivation(ROWS, 1, gateUp, out);
      short[] activated = new short[ROWS];
      device.read(out, 0, MemorySegment.ofArray(activated));
      assertThat(activated).containsOnly(SILU_OF_ONE_TIMES_FOUR);
      assertThat(emulator.mistakes()).isEmpty();
    }
  }
}
