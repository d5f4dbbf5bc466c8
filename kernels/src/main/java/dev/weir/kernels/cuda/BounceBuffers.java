package dev.weir.kernels.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Two pinned buffers through which pageable host memory, such as a mapped checkpoint, reaches the
 * device: one is filled while the other is copied. So a model of any size is loaded at the speed of
 * the slower of memory and bus, with {@value #BYTES} pinned bytes twice.
 */
final class BounceBuffers implements AutoCloseable {
  /** Long enough that a copy's start costs nothing beside it: half a millisecond of PCIe 4. */
  static final int BYTES = 8 << 20;

  private static final String PURPOSE = "copies between host and device";

  private final Stream stream;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] pinned = new MemorySegment[2];
  private final Event[] done = new Event[2];

  /** Kept from call to call: most calls are of one piece. */
  private int next;

  BounceBuffers(Stream stream) {
    this.stream = stream;
    for (int i = 0; i < pinned.length; i++) {
      pinned[i] = CudaMemory.pinned(stream.context(), BYTES, arena, PURPOSE);
      done[i] = new Event(stream.context(), PURPOSE);
    }
  }

  /** Copies host memory to the device; the host's side may change after the call. */
  void write(long destination, MemorySegment source) {
    for (long at = 0; at < source.byteSize(); at += BYTES, next = 1 - next) {
      long bytes = Math.min(BYTES, source.byteSize() - at);
      done[next].await();
      MemorySegment.copy(source, at, pinned[next], 0, bytes);
      stream.copyIn(destination + at, pinned[next].address(), bytes, PURPOSE);
      done[next].record(stream);
    }
  }

  /** Copies device memory, as all work so far leaves it, to the host. */
  void read(long source, MemorySegment destination) {
    for (long at = 0; at < destination.byteSize(); at += BYTES) {
      long bytes = Math.min(BYTES, destination.byteSize() - at);
      // The copy queues behind a write that still reads this buffer.
      stream.copyOut(pinned[0].address(), source + at, bytes, PURPOSE);
      done[0].record(stream);
      done[0].await();
      MemorySegment.copy(pinned[0], 0, destination, at, bytes);
    }
  }

  @Override
  public void close() {
    for (Event event : done) {
      event.close();
    }
    arena.close();
  }
}
