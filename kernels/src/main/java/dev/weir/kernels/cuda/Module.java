package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Set;

/** One family's kernels, loaded on a device. */
final class Module implements AutoCloseable {
  /** Bytes of the driver's report on code that it cannot load. */
  private static final int LOG_BYTES = 8 * 1024;

  /** Cubins are ELF with 64-bit fields. */
  private static final int IMAGE_ALIGNMENT = 64;

  private final Context context;
  private final String name;
  private final MemorySegment handle;
  private final Map<String, KernelImage.Kernel> kernels;
  private final Arena arena = Arena.ofShared();
  private boolean closed;

  private Module(Context context, String name, byte[] image, MemorySegment handle) {
    this.context = context;
    this.name = name;
    this.handle = handle;
    this.kernels = KernelImage.kernels(image);
  }

  /**
   * Loads a family's kernels for a GPU of the given compute capability.
   *
   * @param family the name of its source without {@code .cu}
   * @throws IllegalStateException if this build has none that such a GPU can run
   */
  static Module load(Context context, String family, int major, int minor) {
    String name =
        KernelResources.choose(family, major, minor)
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "this build has no kernels of the family "
                            + family
                            + " for compute capability "
                            + major
                            + "."
                            + minor
                            + "; build it with nvcc"));
    return load(context, name, KernelResources.read(name));
  }

  /**
   * Loads a cubin or PTX.
   *
   * @param name named in errors
   */
  static Module load(Context context, String name, byte[] image) {
    try (Arena arena = Arena.ofConfined()) {
      // PTX is text that ends with a zero byte.
      MemorySegment code = arena.allocate(image.length + 1L, IMAGE_ALIGNMENT);
      MemorySegment.copy(MemorySegment.ofArray(image), 0, code, 0, image.length);
      MemorySegment log = arena.allocate(LOG_BYTES);
      MemorySegment options =
          arena.allocateFrom(
              JAVA_INT,
              CudaDriver.CU_JIT_ERROR_LOG_BUFFER(),
              CudaDriver.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES());
      MemorySegment values = arena.allocateFrom(JAVA_LONG, log.address(), LOG_BYTES);
      MemorySegment loaded = arena.allocate(ADDRESS);
      int result = CudaDriver.cuModuleLoadDataEx(loaded, code, 2, options, values);
      if (result != CudaDriver.CUDA_SUCCESS()) {
        String report = log.getString(0).strip();
        throw context.failure(
            result, "cuModuleLoadData", report.isEmpty() ? name : name + " [" + report + "]");
      }
      return new Module(context, name, image, loaded.get(ADDRESS, 0));
    }
  }

  Context context() {
    return context;
  }

  /** Memory for launches, which lives as long as the module. */
  Arena arena() {
    return arena;
  }

  /** The names of its kernels. */
  Set<String> kernels() {
    return kernels.keySet();
  }

  /** What the compiled code says of a kernel. */
  KernelImage.Kernel kernel(String kernel) {
    KernelImage.Kernel found = kernels.get(kernel);
    if (found == null) {
      throw new IllegalArgumentException(
          name + " has no kernel " + kernel + "; it has " + kernels.keySet());
    }
    return found;
  }

  /** The driver's handle of a kernel, loaded and allowed its shared memory. */
  MemorySegment function(String kernel) {
    KernelImage.Kernel info = kernel(kernel);
    try (Arena confined = Arena.ofConfined()) {
      MemorySegment pointer = confined.allocate(ADDRESS);
      MemorySegment kernelName = confined.allocateFrom(kernel);
      context.check(
          CudaDriver.cuModuleGetFunction(pointer, handle, kernelName),
          "cuModuleGetFunction",
          kernel);
      MemorySegment function = pointer.get(ADDRESS, 0);
      // Asking forces code that is loaded lazily onto the device: not later, while a step is
      // recorded.
      MemorySegment threads = confined.allocate(JAVA_INT);
      context.check(
          CudaDriver.cuFuncGetAttribute(
              threads, CudaDriver.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK(), function),
          "cuFuncGetAttribute",
          kernel);
      if (threads.get(JAVA_INT, 0) < info.threads()) {
        throw new IllegalStateException(
            name
                + ": "
                + kernel
                + " was compiled for blocks of "
                + info.threads()
                + " threads, but this GPU allows it only "
                + threads.get(JAVA_INT, 0));
      }
      if (info.sharedBytes() > 0) {
        allow(
            function,
            CudaDriver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES(),
            info.sharedBytes(),
            kernel);
        // Such kernels stream past the first-level cache: all of it is better shared memory, or
        // fewer blocks than planned run at a time.
        allow(
            function,
            CudaDriver.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT(),
            CudaDriver.CU_SHAREDMEM_CARVEOUT_MAX_SHARED(),
            kernel);
      }
      return function;
    }
  }

  private void allow(MemorySegment function, int attribute, int value, String kernel) {
    context.check(
        CudaDriver.cuFuncSetAttribute(function, attribute, value), "cuFuncSetAttribute", kernel);
  }

  /** Unloads the code; launches made from it can be used no more. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      int ignored = CudaDriver.cuModuleUnload(handle);
      arena.close();
    }
  }

  @Override
  public String toString() {
    return name;
  }
}
