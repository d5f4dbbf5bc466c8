package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.Completion;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A point in a stream that the host can wait for. */
final class Event implements Completion, AutoCloseable {
  private static final int NOT_READY = CudaDriver.CUDA_ERROR_NOT_READY();

  private final Context context;
  private final long handle;
  private String purpose;
  private boolean closed;

  /**
   * @param purpose what is waited for, named in errors: a kernel's fault first shows here
   */
  Event(Context context, String purpose) {
    this.context = context;
    this.purpose = purpose;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment created = arena.allocate(ADDRESS);
      context.check(
          CudaDriver.cuEventCreate(created, CudaDriver.CU_EVENT_DISABLE_TIMING()),
          "cuEventCreate",
          purpose);
      handle = created.get(ADDRESS, 0).address();
    }
  }

  Context context() {
    return context;
  }

  /** Marks what the stream holds now; {@link #await} then waits for all of it. */
  void record(Stream stream) {
    record(stream, purpose);
  }

  /** The same for another purpose than before. */
  void record(Stream stream, String purpose) {
    this.purpose = purpose;
    context.check(HotCalls.recordEvent(handle, stream.handle()), "cuEventRecord", purpose);
  }

  /** Returns at once where nothing was ever marked. */
  @Override
  public void await() {
    context.enter();
    context.check(HotCalls.awaitEvent(handle), "cuEventSynchronize", purpose);
  }

  /** True where nothing was ever marked. */
  @Override
  public boolean done() {
    context.enter();
    int result = HotCalls.queryEvent(handle);
    if (result == NOT_READY) {
      return false;
    }
    context.check(result, "cuEventQuery", purpose);
    return true;
  }

  /** Keeps what is enqueued on the stream from now on until what was marked is done. */
  void holdBack(Stream stream) {
    context.check(HotCalls.waitEvent(stream.handle(), handle), "cuStreamWaitEvent", purpose);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      int ignored = CudaDriver.cuEventDestroy_v2(MemorySegment.ofAddress(handle));
    }
  }
}
