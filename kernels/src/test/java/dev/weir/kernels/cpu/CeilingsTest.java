package dev.weir.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class CeilingsTest {
  private static final double NANOSECONDS = 1e9;

  /** A clock that says each measurement took one second. */
  private static LongSupplier aSecondPerReading() {
    var readings = new AtomicLong();
    return () -> readings.getAndIncrement() * (long) NANOSECONDS;
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void bandwidthIsTheBytesThatWereReadInTheTimeOfTheClock(Isa isa) {
    try (var device = CpuDevice.open(2, isa)) {
      Buffer memory = device.allocate(Ceilings.LEAST_READ_BYTES, "ceiling");
      assertThat(Ceilings.readBytesPerSecond(device, memory, aSecondPerReading()))
          .isEqualTo((double) Ceilings.LEAST_READ_BYTES);
      Buffer cached = device.allocate(Ceilings.LEAST_READ_BYTES - 1, "ceiling");
      assertThatThrownBy(() -> Ceilings.readBytesPerSecond(device, cached, aSecondPerReading()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("caches");
    }
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void everyThreadDoesTheSameArithmetic(Isa isa) {
    try (var one = CpuDevice.open(1, isa);
        var three = CpuDevice.open(3, isa)) {
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        double alone = Ceilings.flopsPerSecond(one, type, aSecondPerReading());
        assertThat(alone).isPositive();
        assertThat(Ceilings.flopsPerSecond(three, type, aSecondPerReading())).isEqualTo(3 * alone);
      }
    }
  }
}
