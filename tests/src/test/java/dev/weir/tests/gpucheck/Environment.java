package dev.weir.tests.gpucheck;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** What is checked, as the driver and nvidia-smi describe it. */
final class Environment {
  private static final int NAME_BYTES = 256;
  private static final int TOOL_SECONDS = 10;

  /** Where a query fails the table lacks a line; nothing depends on it. */
  private static final int UNKNOWN = -1;

  private Environment() {}

  /** Whether there is a device to check; says what to do where there is none. */
  static boolean describe(Options options, Report report) {
    report.fact("processors", Integer.toString(Runtime.getRuntime().availableProcessors()));
    report.fact("java", Runtime.version().toString());
    if (!isCuda(options.device())) {
      report.fact("device", options.device().option());
      return true;
    }
    Optional<String> missing = CudaDevice.unavailable();
    if (missing.isPresent()) {
      report.failed("environment", "a usable GPU", missing.get());
      return false;
    }
    try (Arena arena = Arena.ofConfined()) {
      describe(arena, report);
    }
    // As the driver's tool says it, where there is one: the clocks now, and the driver's own
    // number.
    String fields = "driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu";
    said("nvidia-smi", "--id=0", "--query-gpu=" + fields, "--format=csv,noheader")
        .ifPresent(text -> report.fact("nvidia-smi (" + fields + ")", text));
    return true;
  }

  static boolean isCuda(Checked device) {
    return device == Checked.CUDA;
  }

  private static void describe(Arena arena, Report report) {
    MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG);
    int version = 0;
    if (CudaDriver.cuDriverGetVersion(value) == CudaDriver.CUDA_SUCCESS()) {
      version = value.get(ValueLayout.JAVA_INT, 0);
    }
    int ignored = CudaDriver.cuDeviceGet(value, 0);
    int device = value.get(ValueLayout.JAVA_INT, 0);
    MemorySegment name = arena.allocate(NAME_BYTES);
    ignored = CudaDriver.cuDeviceGetName(name, NAME_BYTES, device);
    report.fact("device", name.getString(0));
    report.fact("CUDA of the driver", version / 1000 + "." + version % 1000 / 10);
    report.fact(
        "compute capability",
        attribute(arena, device, CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR())
            + "."
            + attribute(arena, device, CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR()));
    if (CudaDriver.cuDeviceTotalMem_v2(value, device) == CudaDriver.CUDA_SUCCESS()) {
      report.fact("memory", value.get(ValueLayout.JAVA_LONG, 0) / (1 << 20) + " MiB");
    }
    fact(
        arena,
        device,
        report,
        "multiprocessors",
        CudaDriver.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT(),
        1,
        "");
    fact(
        arena,
        device,
        report,
        "L2",
        CudaDriver.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE(),
        1 << 10,
        " KiB");
    fact(arena, device, report, "clock", CudaDriver.CU_DEVICE_ATTRIBUTE_CLOCK_RATE(), 1000, " MHz");
    fact(
        arena,
        device,
        report,
        "memory clock",
        CudaDriver.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE(),
        1000,
        " MHz");
    fact(arena, device, report, "ECC", CudaDriver.CU_DEVICE_ATTRIBUTE_ECC_ENABLED(), 1, "");
  }

  private static void fact(
      Arena arena,
      int device,
      Report report,
      String name,
      int attribute,
      int divisor,
      String unit) {
    int value = attribute(arena, device, attribute);
    if (value != UNKNOWN) {
      report.fact(name, value / divisor + unit);
    }
  }

  private static int attribute(Arena arena, int device, int attribute) {
    MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
    int status = CudaDriver.cuDeviceGetAttribute(value, attribute, device);
    return status == CudaDriver.CUDA_SUCCESS() ? value.get(ValueLayout.JAVA_INT, 0) : UNKNOWN;
  }

  /** The first line that a tool prints; empty where it is missing, fails or says nothing. */
  private static Optional<String> said(String... command) {
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      process.getOutputStream().close();
      if (!process.waitFor(TOOL_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return Optional.empty();
      }
      byte[] out = process.getInputStream().readAllBytes();
      return process.exitValue() == 0
          ? new String(out, StandardCharsets.UTF_8).lines().findFirst()
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this", e);
    }
  }
}
