package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.weir.bindings.CudaDriverLibrary;
import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Whether there is a GPU that this build can use, asked without opening it. What stands against it
 * is said in one line, with its remedy.
 */
final class Availability {
  /** As the driver counts: 13.0. What the kernels are compiled with, and the bindings made from. */
  private static final int LEAST_DRIVER = 13_000;

  private static final int DRIVER_MAJOR = 1000;
  private static final int DRIVER_MINOR = 10;
  private static final int MAX_NAME_BYTES = 256;

  /** What is asked of a GPU before it is opened. */
  record Properties(String name, int major, int minor) {}

  private Availability() {}

  /** How many GPUs a usable driver finds. */
  static int count() {
    try {
      return unusableDriver().isPresent() ? 0 : deviceCount();
    } catch (CudaException e) {
      return 0;
    }
  }

  /** Why a GPU cannot be used; empty where it can. */
  static Optional<String> reasonAgainst(int ordinal) {
    try {
      return unusableDriver()
          .or(() -> unusableDevice(ordinal))
          .or(() -> missingKernels(ordinal, properties(ordinal)));
    } catch (CudaException e) {
      return Optional.of("cuda:" + ordinal + " does not answer: " + e.getMessage());
    }
  }

  private static Optional<String> unusableDriver() {
    Optional<String> missing = CudaDriverLibrary.missing();
    if (missing.isPresent()) {
      return missing;
    }
    int version = driverVersion();
    if (version < LEAST_DRIVER) {
      return Optional.of(
          "the NVIDIA driver is too old: it supports CUDA "
              + version(version)
              + ", and "
              + version(LEAST_DRIVER)
              + " is needed; install driver 580 or newer");
    }
    int initialised = CudaDriver.cuInit(0);
    if (initialised == CudaDriver.CUDA_SUCCESS()) {
      return Optional.empty();
    }
    if (initialised == CudaDriver.CUDA_ERROR_NO_DEVICE()) {
      return Optional.of(noDevice());
    }
    return Optional.of(
        "the CUDA driver does not start: cuInit: "
            + DriverErrors.describe(initialised)
            + "; see what nvidia-smi says, and whether driver and library have the same version");
  }

  private static Optional<String> unusableDevice(int ordinal) {
    int devices = deviceCount();
    if (devices == 0) {
      return Optional.of(noDevice());
    }
    if (ordinal < 0 || ordinal >= devices) {
      return Optional.of(
          "there is no cuda:" + ordinal + ": the " + devices + " GPUs are numbered from 0");
    }
    return Optional.empty();
  }

  private static Optional<String> missingKernels(int ordinal, Properties properties) {
    if (KernelResources.families().isEmpty()) {
      return Optional.of(
          "this build has no CUDA kernels, because it was made without nvcc; install the CUDA"
              + " toolkit 13 and build again");
    }
    String gpu = "cuda:" + ordinal + " (" + properties.name() + ", compute capability ";
    String capability = properties.major() + "." + properties.minor() + ")";
    if (properties.major() < KernelResources.LEAST_MAJOR) {
      return Optional.of(
          gpu
              + capability
              + " is too old: "
              + KernelResources.LEAST_MAJOR
              + ".0 or newer (Ampere) is needed");
    }
    for (String family : KernelResources.families()) {
      if (KernelResources.choose(family, properties.major(), properties.minor()).isEmpty()) {
        return Optional.of(
            "this build has no kernels of the family "
                + family
                + " for "
                + gpu
                + capability
                + "; build it without WEIR_CUDA_ARCHITECTURES");
      }
    }
    return Optional.empty();
  }

  private static String noDevice() {
    return "the CUDA driver finds no GPU; see what nvidia-smi says, whether CUDA_VISIBLE_DEVICES"
        + " hides them, and whether a container was given them (--gpus all)";
  }

  private static int deviceCount() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_INT);
      DriverErrors.check(
          CudaDriver.cuDeviceGetCount(count), "cuDeviceGetCount", "counting devices");
      return count.get(JAVA_INT, 0);
    }
  }

  private static int driverVersion() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment version = arena.allocate(JAVA_INT);
      DriverErrors.check(
          CudaDriver.cuDriverGetVersion(version), "cuDriverGetVersion", "the driver's version");
      return version.get(JAVA_INT, 0);
    }
  }

  /** As the driver counts versions: 13000 is 13.0. */
  private static String version(int version) {
    return version / DRIVER_MAJOR + "." + version % DRIVER_MAJOR / DRIVER_MINOR;
  }

  static Properties properties(int ordinal) {
    String purpose = "the properties of cuda:" + ordinal;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(JAVA_INT);
      DriverErrors.check(CudaDriver.cuDeviceGet(value, ordinal), "cuDeviceGet", purpose);
      int device = value.get(JAVA_INT, 0);
      MemorySegment text = arena.allocate(MAX_NAME_BYTES);
      DriverErrors.check(
          CudaDriver.cuDeviceGetName(text, MAX_NAME_BYTES, device), "cuDeviceGetName", purpose);
      int[] capability = new int[2];
      int[] attributes = {
        CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR(),
        CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR()
      };
      for (int i = 0; i < attributes.length; i++) {
        DriverErrors.check(
            CudaDriver.cuDeviceGetAttribute(value, attributes[i], device),
            "cuDeviceGetAttribute",
            purpose);
        capability[i] = value.get(JAVA_INT, 0);
      }
      return new Properties(text.getString(0), capability[0], capability[1]);
    }
  }
}
