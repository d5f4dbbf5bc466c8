package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.Buffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Times work by a GPU's own clock: ops are recorded once, as the engine's steps are, and replayed
 * between two events. For benchmarks.
 */
public final class CudaStopwatch {
  private static final String PURPOSE = "a stopwatch";
  private static final int TIMED = 0;
  private static final double MILLIS_PER_SECOND = 1e3;

  private final CudaDevice device;

  /**
   * @param device whose ops are timed
   */
  public CudaStopwatch(CudaDevice device) {
    this.device = device;
  }

  /**
   * Runs ops once, so that what they set up on first use is there, and records them.
   *
   * @param ops calls the device's ops; nothing that it does may depend on how often it is called
   */
  public Recording record(Runnable ops) {
    device.context().enter();
    ops.run();
    device.stream().synchronize(PURPOSE);
    return new Recording(device, Graph.record(device.stream(), ops));
  }

  /** The copy of one buffer to another of the same length. */
  public Recording copy(Buffer from, Buffer to) {
    long bytes = Math.min(from.bytes(), to.bytes());
    MemorySegment stream = MemorySegment.ofAddress(device.stream().handle());
    return record(
        () ->
            device
                .context()
                .check(
                    CudaDriver.cuMemcpyDtoDAsync_v2(to.address(), from.address(), bytes, stream),
                    "cuMemcpyDtoDAsync",
                    PURPOSE));
  }

  /** What was recorded; lives no longer than the device, and than the memory that it addresses. */
  public static final class Recording implements AutoCloseable {
    private final CudaDevice device;
    private final Graph graph;
    private final MemorySegment start;
    private final MemorySegment end;
    private boolean closed;

    private Recording(CudaDevice device, Graph graph) {
      this.device = device;
      this.graph = graph;
      start = event();
      end = event();
    }

    private MemorySegment event() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment created = arena.allocate(ADDRESS);
        check(CudaDriver.cuEventCreate(created, TIMED), "cuEventCreate");
        return created.get(ADDRESS, 0);
      }
    }

    /** Replays it and waits; seconds from its start to its end on the device. */
    public double seconds() {
      device.context().enter();
      MemorySegment stream = MemorySegment.ofAddress(device.stream().handle());
      check(CudaDriver.cuEventRecord(start, stream), "cuEventRecord");
      graph.launch(device.stream());
      check(CudaDriver.cuEventRecord(end, stream), "cuEventRecord");
      check(CudaDriver.cuEventSynchronize(end), "cuEventSynchronize");
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment millis = arena.allocate(JAVA_FLOAT);
        check(CudaDriver.cuEventElapsedTime_v2(millis, start, end), "cuEventElapsedTime");
        return millis.get(JAVA_FLOAT, 0) / MILLIS_PER_SECOND;
      }
    }

    private void check(int result, String call) {
      device.context().check(result, call, PURPOSE);
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        graph.close();
        int ignored = CudaDriver.cuEventDestroy_v2(start);
        ignored = CudaDriver.cuEventDestroy_v2(end);
      }
    }
  }
}
