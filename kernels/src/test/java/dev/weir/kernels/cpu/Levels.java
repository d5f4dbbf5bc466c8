package dev.weir.kernels.cpu;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.stream.Stream;

/** The instruction levels that tests run on. */
final class Levels {
  private Levels() {}

  /** Every level of this machine, and the emulated matrix unit; skips where nothing was built. */
  static Stream<Isa> available() {
    assumeTrue(
        CpuDevice.unavailable().isEmpty(),
        () -> "skipped: no native CPU kernels: " + CpuDevice.unavailable().orElseThrow());
    Isa best = CpuDevice.bestIsa();
    return Arrays.stream(Isa.values())
        .filter(isa -> isa == Isa.AMX_EMULATED || isa.compareTo(best) <= 0);
  }
}
