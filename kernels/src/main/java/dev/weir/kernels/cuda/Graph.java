package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Work that was recorded once and is launched as a whole. */
final class Graph implements AutoCloseable {
  private static final String PURPOSE = "a step's graph";
  private static final long NO_FLAGS = 0;

  private final Context context;
  private final long executable;
  private boolean closed;

  private Graph(Context context, long executable) {
    this.context = context;
    this.executable = executable;
  }

  /**
   * Records what {@code work} enqueues on the stream; nothing of it runs. Where it throws, the
   * stream is as before.
   */
  static Graph record(Stream stream, Runnable work) {
    Context context = stream.context();
    MemorySegment capturing = MemorySegment.ofAddress(stream.handle());
    try (Arena arena = Arena.ofConfined()) {
      context.check(
          CudaDriver.cuStreamBeginCapture_v2(
              capturing, CudaDriver.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL()),
          "cuStreamBeginCapture",
          PURPOSE);
      MemorySegment pointer = arena.allocate(ADDRESS);
      boolean recorded = false;
      int ended;
      try {
        work.run();
        recorded = true;
      } finally {
        ended = CudaDriver.cuStreamEndCapture(capturing, pointer);
        if (!recorded && ended == CudaDriver.CUDA_SUCCESS()) {
          int ignored = CudaDriver.cuGraphDestroy(pointer.get(ADDRESS, 0));
        }
      }
      context.check(ended, "cuStreamEndCapture", PURPOSE);
      MemorySegment graph = pointer.get(ADDRESS, 0);
      int instantiated = CudaDriver.cuGraphInstantiateWithFlags(pointer, graph, NO_FLAGS);
      int destroyed = CudaDriver.cuGraphDestroy(graph);
      context.check(instantiated, "cuGraphInstantiate", PURPOSE);
      Graph result = new Graph(context, pointer.get(ADDRESS, 0).address());
      context.check(destroyed, "cuGraphDestroy", PURPOSE);
      return result;
    }
  }

  /** Enqueues all of it. */
  void launch(Stream stream) {
    context.check(HotCalls.launchGraph(executable, stream.handle()), "cuGraphLaunch", PURPOSE);
    stream.launched(PURPOSE);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      int ignored = CudaDriver.cuGraphExecDestroy(MemorySegment.ofAddress(executable));
    }
  }
}
