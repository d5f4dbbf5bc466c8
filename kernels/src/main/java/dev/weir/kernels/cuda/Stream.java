package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An ordered queue of work on one device. It does not wait for the driver's default stream, and
 * that does not wait for it. Callers have entered the {@link Context}.
 */
final class Stream implements AutoCloseable {
  private static final byte ZERO = 0;
  private static final int NORMAL_PRIORITY = 0;

  private final Context context;
  private final long handle;
  private final boolean blocking;
  private long enqueued;
  private boolean closed;

  /**
   * @param blocking whether to wait for every kernel, so that a fault is told of the kernel that
   *     made it
   */
  Stream(Context context, boolean blocking) {
    this(context, blocking, NORMAL_PRIORITY);
  }

  private Stream(Context context, boolean blocking, int priority) {
    this.context = context;
    this.blocking = blocking;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment created = arena.allocate(ADDRESS);
      context.check(
          CudaDriver.cuStreamCreateWithPriority(
              created, CudaDriver.CU_STREAM_NON_BLOCKING(), priority),
          "cuStreamCreateWithPriority",
          "a stream");
      handle = created.get(ADDRESS, 0).address();
    }
  }

  /** A queue whose work gives way to that of other streams. */
  static Stream ofLeastPriority(Context context) {
    return new Stream(context, false, context.leastPriority());
  }

  Context context() {
    return context;
  }

  /** The driver's {@code CUstream}. */
  long handle() {
    return handle;
  }

  private MemorySegment pointer() {
    return MemorySegment.ofAddress(handle);
  }

  /** Waits for all that was enqueued. */
  void synchronize(String purpose) {
    context.check(CudaDriver.cuStreamSynchronize(pointer()), "cuStreamSynchronize", purpose);
  }

  /**
   * How often something was enqueued here that may write device memory: as long as this stays, an
   * event that was recorded meanwhile stands for all of it.
   */
  long enqueued() {
    return enqueued;
  }

  /** Called after a kernel or a graph was enqueued. */
  void launched(String kernel) {
    enqueued++;
    if (blocking) {
      synchronize(kernel);
    }
  }

  /** Zeroes device memory. */
  void zero(long address, long bytes, String purpose) {
    enqueued++;
    context.check(
        CudaDriver.cuMemsetD8Async(address, ZERO, bytes, pointer()), "cuMemsetD8Async", purpose);
  }

  /** Copies pinned host memory, which must stay as it is until the copy is done, to the device. */
  void copyIn(long destination, long pinned, long bytes, String purpose) {
    enqueued++;
    context.check(
        HotCalls.copyIn(destination, pinned, bytes, handle), "cuMemcpyHtoDAsync", purpose);
  }

  /** Copies device memory to pinned host memory. */
  void copyOut(long pinned, long source, long bytes, String purpose) {
    context.check(HotCalls.copyOut(pinned, source, bytes, handle), "cuMemcpyDtoHAsync", purpose);
  }

  /** Gives the stream back; what it still holds is done first. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      int ignored = CudaDriver.cuStreamDestroy_v2(pointer());
    }
  }
}
