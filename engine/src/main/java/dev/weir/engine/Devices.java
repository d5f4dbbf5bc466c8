package dev.weir.engine;

import dev.weir.engine.EngineOptions.DeviceChoice;
import dev.weir.kernels.Device;
import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.util.Optional;

/** Opens the device that options ask for. */
final class Devices {
  private static final Logger LOG = System.getLogger(Devices.class.getName());

  /**
   * Where the machine's memory cannot be asked for: what the smallest of today's servers can spare.
   */
  private static final long FALLBACK_KV_BYTES = 1L << 30;

  private Devices() {}

  static Device open(DeviceChoice choice, int threads) {
    return switch (choice) {
      case CPU -> CpuDevice.open(threads);
      case REFERENCE -> ReferenceDevice.open();
      case AUTO -> {
        Optional<String> missing = CpuDevice.unavailable();
        if (missing.isEmpty()) {
          yield CpuDevice.open(threads);
        }
        LOG.log(Level.WARNING, "computing in portable Java, which is slow: {0}", missing.get());
        yield ReferenceDevice.open();
      }
    };
  }

  static long defaultKvBytes() {
    if (ManagementFactory.getOperatingSystemMXBean()
        instanceof com.sun.management.OperatingSystemMXBean system) {
      return system.getTotalMemorySize() / 100 * EngineOptions.DEFAULT_KV_PERCENT;
    }
    return FALLBACK_KV_BYTES;
  }
}
