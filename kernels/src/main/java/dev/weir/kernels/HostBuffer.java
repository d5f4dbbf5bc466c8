package dev.weir.kernels;

import java.lang.foreign.MemorySegment;

/**
 * Memory of a device that computes in host memory.
 *
 * @param segment the memory, native, reachable from every thread
 */
public record HostBuffer(MemorySegment segment) implements Buffer {

  public HostBuffer {
    if (!segment.isNative()) {
      throw new IllegalArgumentException("a kernel buffer must be native memory");
    }
  }

  @Override
  public long address() {
    return segment.address();
  }

  @Override
  public long bytes() {
    return segment.byteSize();
  }

  @Override
  public HostBuffer slice(long offset, long bytes) {
    return new HostBuffer(segment.asSlice(offset, bytes));
  }
}
