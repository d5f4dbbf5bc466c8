package dev.weir.engine;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Scheduling;
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
import java.util.ArrayList;
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

  /**
   * The floor chunk on processors. A chunk has hardly a fixed cost there, attention reads cached
   * keys no faster for more tokens, and a few tokens ride along with the decode rows, for which the
   * weights are read anyway. Measured on Zen 4, two threads, the Qwen3-0.6B shape: a step of 9
   * tokens takes hardly longer than one of 2, one of 19 twice as long; behind 4096 tokens 16 more
   * take three times as long as one alone, 4 more one and a half times.
   */
  private static final int CPU_FLOOR_CHUNK = 4;

  private Devices() {}

  /** Ways to get the devices, the best first; each may be tried after the one before has failed. */
  static List<Supplier<List<Device>>> of(List<DeviceChoice> choices, int threads) {
    if (choices.equals(List.of(DeviceChoice.AUTO))) {
      Supplier<List<Device>> processors = () -> List.of(onProcessors(threads));
      return usableGpu()
          ? List.of(() -> List.of(CudaDevice.open(0)), processors)
          : List.of(processors);
    }
    return List.of(() -> all(choices, threads));
  }

  private static List<Device> all(List<DeviceChoice> choices, int threads) {
    List<Device> devices = new ArrayList<>(choices.size());
    try {
      for (DeviceChoice choice : choices) {
        devices.add(
            switch (choice) {
              case DeviceChoice.Cuda(int ordinal) -> CudaDevice.open(ordinal);
              case DeviceChoice.Cpu cpu -> CpuDevice.open(threads);
              case DeviceChoice.Reference reference -> ReferenceDevice.open();
              case DeviceChoice.Auto auto -> onProcessors(threads);
            });
      }
      return devices;
    } catch (RuntimeException | Error failure) {
      devices.forEach(Device::close);
      throw failure;
    }
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
   * Uses the first devices that can be opened and used; a warning says why it is not those before.
   *
   * @param use closes the devices if it fails
   */
  static <T> T use(List<Supplier<List<Device>>> ways, Function<List<Device>, T> use) {
    for (Supplier<List<Device>> way : ways.subList(0, ways.size() - 1)) {
      try {
        return use.apply(way.get());
      } catch (DeviceMemoryException
          | DeviceLostException
          | UnsupportedShapeException
          | CudaException failure) {
        LOG.log(Level.WARNING, "no GPU is used: {0}", failure.getMessage());
      }
    }
    return use.apply(ways.getLast().get());
  }

  /** Where options do not say how many tokens a step may have. */
  static int defaultStepTokens(Device device) {
    return device instanceof CudaDevice
        ? EngineOptions.DEFAULT_GPU_STEP_TOKENS
        : EngineOptions.DEFAULT_STEP_TOKENS;
  }

  /** What plans for a device hold themselves to. */
  static PlanLimits planLimits(Device device, int stepTokens, Scheduling scheduling) {
    PlanLimits limits = PlanLimits.of(stepTokens, scheduling);
    return device instanceof CudaDevice
        ? limits
        : limits.withFloor(CPU_FLOOR_CHUNK, PlanLimits.DEFAULT_FLOOR_STEPS);
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
