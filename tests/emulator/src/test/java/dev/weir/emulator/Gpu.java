package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.bindings.cuda.CUlaunchConfig_st;
import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** One device of the emulator, its driver calls in few words. Each call is expected to succeed. */
final class Gpu implements AutoCloseable {
  static final MemorySegment DEFAULT_STREAM = MemorySegment.NULL;

  final int device;
  final MemorySegment context;
  private final Arena arena = Arena.ofConfined();
  private @Nullable MemorySegment module;

  private Gpu(int device, MemorySegment context) {
    this.device = device;
    this.context = context;
  }

  /** Takes hold of a device's primary context and makes it current. */
  static Gpu open(int ordinal) {
    check(CudaDriver.cuInit(0));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment device = arena.allocate(JAVA_INT);
      check(CudaDriver.cuDeviceGet(device, ordinal));
      MemorySegment context = arena.allocate(ADDRESS);
      check(CudaDriver.cuDevicePrimaryCtxRetain(context, device.get(JAVA_INT, 0)));
      Gpu gpu = new Gpu(device.get(JAVA_INT, 0), context.get(ADDRESS, 0));
      gpu.enter();
      return gpu;
    }
  }

  static Gpu open() {
    return open(0);
  }

  void enter() {
    check(CudaDriver.cuCtxSetCurrent(context));
  }

  /** Fails the test unless the result is CUDA_SUCCESS. */
  static void check(int result) {
    if (result != CudaDriver.CUDA_SUCCESS()) {
      throw new AssertionError("the driver answers " + name(result));
    }
  }

  /** A result's name, for tests that compare it. */
  static String name(int result) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocate(ADDRESS);
      int known = CudaDriver.cuGetErrorName(result, name);
      return known == CudaDriver.CUDA_SUCCESS()
          ? name.get(ADDRESS, 0).reinterpret(Byte.MAX_VALUE).getString(0)
          : "result " + result;
    }
  }

  MemorySegment place() {
    return arena.allocate(ADDRESS);
  }

  long allocate(long bytes) {
    MemorySegment pointer = arena.allocate(JAVA_LONG);
    check(CudaDriver.cuMemAlloc_v2(pointer, bytes));
    return pointer.get(JAVA_LONG, 0);
  }

  /** Device memory of {@code count} integers, all of them {@code value} once this returns. */
  long integers(int count, int value) {
    long pointer = allocate(4L * count);
    check(CudaDriver.cuMemsetD32Async(pointer, value, count, DEFAULT_STREAM));
    synchronize(DEFAULT_STREAM);
    return pointer;
  }

  void free(long pointer) {
    check(CudaDriver.cuMemFree_v2(pointer));
  }

  MemorySegment pinned(long bytes) {
    MemorySegment pointer = place();
    check(CudaDriver.cuMemHostAlloc(pointer, bytes, 0));
    return pointer.get(ADDRESS, 0).reinterpret(bytes);
  }

  void unpin(MemorySegment pinned) {
    check(CudaDriver.cuMemFreeHost(pinned));
  }

  MemorySegment stream() {
    return stream(CudaDriver.CU_STREAM_NON_BLOCKING());
  }

  MemorySegment stream(int flags) {
    MemorySegment stream = place();
    check(CudaDriver.cuStreamCreateWithPriority(stream, flags, 0));
    return stream.get(ADDRESS, 0);
  }

  MemorySegment event() {
    MemorySegment event = place();
    check(CudaDriver.cuEventCreate(event, 0));
    return event.get(ADDRESS, 0);
  }

  void record(MemorySegment event, MemorySegment stream) {
    check(CudaDriver.cuEventRecord(event, stream));
  }

  void await(MemorySegment stream, MemorySegment event) {
    check(CudaDriver.cuStreamWaitEvent(stream, event, 0));
  }

  void synchronize(MemorySegment stream) {
    check(CudaDriver.cuStreamSynchronize(stream));
  }

  void copyIn(long target, MemorySegment source, MemorySegment stream) {
    check(CudaDriver.cuMemcpyHtoDAsync_v2(target, source, source.byteSize(), stream));
  }

  void copyOut(MemorySegment target, long source, MemorySegment stream) {
    check(CudaDriver.cuMemcpyDtoHAsync_v2(target, source, target.byteSize(), stream));
  }

  /** The first integer at a device address, after all that the default stream waits for. */
  int read(long pointer) {
    MemorySegment value = arena.allocate(JAVA_INT);
    check(CudaDriver.cuMemcpyDtoH_v2(value, pointer, 4));
    return value.get(JAVA_INT, 0);
  }

  /** Loads an image and gives the result. */
  int load(MemorySegment image) {
    MemorySegment loaded = place();
    int result =
        CudaDriver.cuModuleLoadDataEx(loaded, image, 0, MemorySegment.NULL, MemorySegment.NULL);
    module = loaded.get(ADDRESS, 0);
    return result;
  }

  int load(String ptx) {
    return load(arena.allocateFrom(ptx));
  }

  MemorySegment function(String kernel) {
    if (module == null) {
      check(load(TestKernels.ptx()));
    }
    MemorySegment function = place();
    check(CudaDriver.cuModuleGetFunction(function, module, arena.allocateFrom(kernel)));
    return function.get(ADDRESS, 0);
  }

  int getFunction(String kernel) {
    return CudaDriver.cuModuleGetFunction(place(), module, arena.allocateFrom(kernel));
  }

  MemorySegment module() {
    return java.util.Objects.requireNonNull(module);
  }

  /** Launches one of the test kernels over {@code count} integers, and gives the result. */
  int launch(String kernel, long values, int count, int operand, MemorySegment stream) {
    return launch(function(kernel), values, count, operand, TestKernels.THREADS, 0, stream);
  }

  int launch(
      MemorySegment function,
      long values,
      int count,
      int operand,
      int threads,
      int sharedBytes,
      MemorySegment stream) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment arguments = call.allocateFrom(JAVA_LONG, values, count, operand);
      MemorySegment configuration = CUlaunchConfig_st.allocate(call);
      CUlaunchConfig_st.gridDimX(configuration, 1);
      CUlaunchConfig_st.gridDimY(configuration, 1);
      CUlaunchConfig_st.gridDimZ(configuration, 1);
      CUlaunchConfig_st.blockDimX(configuration, threads);
      CUlaunchConfig_st.blockDimY(configuration, 1);
      CUlaunchConfig_st.blockDimZ(configuration, 1);
      CUlaunchConfig_st.sharedMemBytes(configuration, sharedBytes);
      CUlaunchConfig_st.hStream(configuration, stream);
      int result =
          CudaDriver.cuLaunchKernelEx(
              configuration, function, call.allocateFrom(ADDRESS, arguments), MemorySegment.NULL);
      arguments.fill((byte) 0x55); // the driver took its copy
      return result;
    }
  }

  void add(long values, int operand, MemorySegment stream) {
    check(launch("add", values, 1, operand, stream));
  }

  void scale(long values, int operand, MemorySegment stream) {
    check(launch("scale", values, 1, operand, stream));
  }

  /** Lets go of the context. */
  @Override
  public void close() {
    check(CudaDriver.cuDevicePrimaryCtxRelease_v2(device));
    arena.close();
  }
}
