package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.DeviceLostException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The primary context of one GPU. All driver calls of a device are checked here, so that one place
 * knows when the device is lost: after that nothing is asked of it any more.
 */
final class Context implements AutoCloseable {
  private static final int NO_FLAGS = 0;

  private final int ordinal;
  private final int device;
  private final long handle;
  private @Nullable CudaException lost;
  private boolean closed;

  private Context(int ordinal, int device, long handle) {
    this.ordinal = ordinal;
    this.device = device;
    this.handle = handle;
  }

  /** Takes hold of a GPU's primary context; {@code cuInit} was called before. */
  static Context open(int ordinal) {
    try (Arena arena = Arena.ofConfined()) {
      String purpose = "opening cuda:" + ordinal;
      MemorySegment device = arena.allocate(JAVA_INT);
      DriverErrors.check(CudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet", purpose);
      int found = device.get(JAVA_INT, 0);
      MemorySegment context = arena.allocate(ADDRESS);
      DriverErrors.check(
          CudaDriver.cuDevicePrimaryCtxRetain(context, found), "cuDevicePrimaryCtxRetain", purpose);
      return new Context(ordinal, found, context.get(ADDRESS, 0).address());
    }
  }

  /** The driver's {@code CUdevice}. */
  int device() {
    return device;
  }

  /**
   * Makes this the calling thread's context: before any driver call, because the thread may work
   * for several devices.
   *
   * @throws DeviceLostException if the device failed before
   */
  void enter() {
    requireUsable();
    check(HotCalls.setContext(handle), "cuCtxSetCurrent", "this thread");
  }

  /** The same to give back what the device holds, were it lost. */
  void enterToClose() {
    // A lost device refuses even this, and all that follows.
    int ignored = HotCalls.setContext(handle);
  }

  /** Throws where {@link #enter} would; asks nothing of the driver. */
  void requireUsable() {
    if (closed) {
      throw new IllegalStateException("cuda:" + ordinal + " is closed");
    }
    CudaException failure = lost;
    if (failure != null) {
      throw lostSince(failure);
    }
  }

  /** The driver's {@code CUcontext}. */
  long handle() {
    return handle;
  }

  /** Whether the device failed for good. */
  boolean isLost() {
    return lost != null;
  }

  /**
   * Throws unless a call succeeded.
   *
   * @param call the driver's function
   * @param purpose a kernel's name, or what was to be done; a constant, so that nothing is
   *     allocated where all is well
   */
  void check(int result, String call, String purpose) {
    if (result != CudaDriver.CUDA_SUCCESS()) {
      throw failure(result, call, purpose);
    }
  }

  /** The exception for a failed call; a sticky one loses the device. */
  RuntimeException failure(int code, String call, String purpose) {
    CudaException failure = DriverErrors.failure(code, call, purpose);
    if (lost == null && !DriverErrors.isSticky(code)) {
      return failure;
    }
    CudaException first = lost == null ? failure : lost;
    lost = first;
    return lostSince(first);
  }

  private DeviceLostException lostSince(CudaException first) {
    return new DeviceLostException(
        "cuda:"
            + ordinal
            + " is lost since "
            + first.getMessage()
            + "; nothing on it can be used any more: restart the process",
        first);
  }

  /** An attribute of the device, {@code CU_DEVICE_ATTRIBUTE_…}. */
  int attribute(int attribute) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(JAVA_INT);
      check(
          CudaDriver.cuDeviceGetAttribute(value, attribute, device),
          "cuDeviceGetAttribute",
          "the device's properties");
      return value.get(JAVA_INT, 0);
    }
  }

  /** The number of the least priority of streams. */
  int leastPriority() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment least = arena.allocate(JAVA_INT);
      MemorySegment greatest = arena.allocate(JAVA_INT);
      check(
          CudaDriver.cuCtxGetStreamPriorityRange(least, greatest),
          "cuCtxGetStreamPriorityRange",
          "the device's properties");
      return least.get(JAVA_INT, 0);
    }
  }

  /**
   * Asks for direct access to another device's memory. Where there is none nothing fails: copies
   * between the two are slower.
   */
  void reach(Context other) {
    enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment reachable = arena.allocate(JAVA_INT);
      check(
          CudaDriver.cuDeviceCanAccessPeer(reachable, device, other.device),
          "cuDeviceCanAccessPeer",
          "the device's properties");
      if (reachable.get(JAVA_INT, 0) == 0) {
        return;
      }
    }
    int result = CudaDriver.cuCtxEnablePeerAccess(MemorySegment.ofAddress(other.handle), NO_FLAGS);
    if (DriverErrors.isSticky(result)) {
      throw failure(result, "cuCtxEnablePeerAccess", other.toString());
    }
  }

  /** Lets go of the context; whatever the device still held goes with it. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      // Nothing can be done about a failure, and nothing is lost by one.
      int ignored = CudaDriver.cuDevicePrimaryCtxRelease_v2(device);
    }
  }

  @Override
  public String toString() {
    return "cuda:" + ordinal;
  }
}
