package dev.weir.engine;

import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.UnsupportedShapeException;
import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaException;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;

/** The devices that options ask for, and what they can spare. */
final class Devices {
  private static final Logger LOG = System.getLogger(Devices.class.getName());

  /**
   * Where the machine's memory cannot be asked for: what the smallest of today's servers can spare.
   */
  private static final long FALLBACK_KV_BYTES = 1L << 30;

  private Devices() {}

  /** Ways to get a device, the best first; each may be tried after the one before has failed. */
  static List<Supplier<Device>> of(DeviceChoice choice, int threads) {
    return switch (choice) {
      case DeviceChoice.Cuda(int ordinal) -> List.of(() -> CudaDevice.open(ordinal));
      case DeviceChoice.Cpu cpu -> List.of(() -> CpuDevice.open(threads));
      case DeviceChoice.Reference reference -> List.of(ReferenceDevice::open);
      case DeviceChoice.Auto auto ->
          usableGpu()
              ? List.of(() -> CudaDevice.open(0), () -> onProcessors(threads))
              : List.of(() -> onProcessors(threads));
    };
  }

  private static boolean usableGpu() {
    if (!CudaDevice.hasDriver()) {
      return false; // nobody expects a GPU to be used
    }
    Optional<String> reason = CudaDevice.unavailable();
    reason.ifPresent(why -> LOG.log(Level.WARNING, "no GPU is used: {0}", why));
    return reason.isEmpty();
  }

  private static Device onProcessors(int threads) {
    Optional<String> missing = CpuDevice.unavailable();
    if (missing.isEmpty()) {
      return CpuDevice.open(threads);
    }
    LOG.log(Level.WARNING, "computing in portable Java, which is slow: {0}", missing.get());
    return ReferenceDevice.open();
  }

  /**
   * Uses the first device that can be opened and used; a warning says why it is not the one before.
   *
   * @param use closes the device if it fails
   */
  static <T> T use(List<Supplier<Device>> devices, Function<Device, T> use) {
    for (Supplier<Device> device : devices.subList(0, devices.size() - 1)) {
      try {
        return use.apply(device.get());
      } catch (DeviceMemoryException
          | DeviceLostException
          | UnsupportedShapeException
          | CudaException failure) {
        LOG.log(Level.WARNING, "no GPU is used: {0}", failure.getMessage());
      }
    }
    return use.apply(devices.getLast().get());
  }

  /** Where options do not say how many tokens a step may have. */
  static int defaultStepTokens(Device device) {
    return device instanceof CudaDevice
        ? EngineOptions.DEFAULT_GPU_STEP_TOKENS
        : EngineOptions.DEFAULT_STEP_TOKENS;
  }

  /** Where options do not say how much memory keys and values get; the weights have theirs. */
  static long defaultKvBytes(Device device) {
    if (device instanceof CudaDevice gpu) {
      return gpu.freeBytes() / 100 * EngineOptions.DEFAULT_GPU_KV_PERCENT;
    }
    if (ManagementFactory.getOperatingSystemMXBean()
        instanceof com.sun.management.OperatingSystemMXBean system) {
      return system.getTotalMemorySize() / 100 * EngineOptions.DEFAULT_KV_PERCENT;
    }
    return FALLBACK_KV_BYTES;
  }
}
