package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.DeviceMemoryException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What one device has allocated, in its own memory and in pinned host memory. */
final class CudaMemory implements AutoCloseable {
  private static final byte ZERO = 0;

  /** A device allocation, and the host memory that mirrors it. */
  private record Allocation(long bytes, @Nullable Arena mirror) {}

  private final Context context;
  private final Stream stream;
  private final Map<Long, Allocation> allocations = new HashMap<>();
  private final Arena hostMemory = Arena.ofShared();
  private long allocatedBytes;

  CudaMemory(Context context, Stream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** What nobody has taken of the device's memory. */
  long freeBytes() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment free = arena.allocate(JAVA_LONG);
      MemorySegment total = arena.allocate(JAVA_LONG);
      context.check(CudaDriver.cuMemGetInfo_v2(free, total), "cuMemGetInfo", "free memory");
      return free.get(JAVA_LONG, 0);
    }
  }

  /** Zeroed device memory. */
  DeviceBuffer allocate(long bytes, String purpose) {
    return allocate(bytes, purpose, MemorySegment.NULL, null);
  }

  /** Zeroed device memory with a zeroed mirror in pinned host memory. */
  DeviceBuffer allocateMirrored(long bytes, String purpose) {
    Arena arena = Arena.ofShared();
    try {
      MemorySegment mirror = pinned(context, bytes, arena, purpose);
      return allocate(bytes, purpose, mirror, arena);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private DeviceBuffer allocate(
      long bytes, String purpose, MemorySegment mirror, @Nullable Arena mirrorArena) {
    if (bytes < 1) {
      throw new IllegalArgumentException(purpose + ": cannot allocate " + bytes + " bytes");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pointer = arena.allocate(JAVA_LONG);
      int result = CudaDriver.cuMemAlloc_v2(pointer, bytes);
      if (result == CudaDriver.CUDA_ERROR_OUT_OF_MEMORY()) {
        throw outOfMemory(bytes, purpose);
      }
      context.check(result, "cuMemAlloc", purpose);
      long address = pointer.get(JAVA_LONG, 0);
      stream.zero(address, bytes, purpose);
      allocations.put(address, new Allocation(bytes, mirrorArena));
      allocatedBytes += bytes;
      return new DeviceBuffer(address, bytes, mirror);
    }
  }

  private DeviceMemoryException outOfMemory(long bytes, String purpose) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment free = arena.allocate(JAVA_LONG);
      MemorySegment total = arena.allocate(JAVA_LONG);
      String rest =
          CudaDriver.cuMemGetInfo_v2(free, total) == CudaDriver.CUDA_SUCCESS()
              ? String.format(
                  "%,d of its %,d bytes are free", free.get(JAVA_LONG, 0), total.get(JAVA_LONG, 0))
              : "how much is free it does not say";
      return new DeviceMemoryException(
          String.format(
              "%s has no %,d bytes for %s: %s, and %,d are allocated here; use a smaller model or a"
                  + " smaller KV cache, or end other processes on this GPU",
              context, bytes, purpose, rest, allocatedBytes));
    }
  }

  /**
   * Zeroed host memory that the device can copy from and to while the host goes on; lives as long
   * as {@code arena}.
   */
  static MemorySegment pinned(Context context, long bytes, Arena arena, String purpose) {
    return pin(context, bytes, arena, purpose).fill(ZERO);
  }

  /** Pinned host memory that lives as long as this. To zero gigabytes would take seconds. */
  MemorySegment hostMemory(long bytes, String purpose) {
    return pin(context, bytes, hostMemory, purpose);
  }

  private static MemorySegment pin(Context context, long bytes, Arena arena, String purpose) {
    if (bytes < 1) {
      throw new IllegalArgumentException(purpose + ": cannot allocate " + bytes + " bytes");
    }
    try (Arena confined = Arena.ofConfined()) {
      MemorySegment pointer = confined.allocate(ADDRESS);
      int result = CudaDriver.cuMemHostAlloc(pointer, bytes, CudaDriver.CU_MEMHOSTALLOC_PORTABLE());
      if (result == CudaDriver.CUDA_ERROR_OUT_OF_MEMORY()) {
        throw new DeviceMemoryException(
            String.format(
                "no %,d bytes of pinned host memory for %s; free host memory, or raise the limit on"
                    + " locked memory (ulimit -l, or a container's --ulimit memlock)",
                bytes, purpose));
      }
      context.check(result, "cuMemHostAlloc", purpose);
      return pointer.get(ADDRESS, 0).reinterpret(bytes, arena, CudaMemory::releasePinned);
    }
  }

  private static void releasePinned(MemorySegment memory) {
    // Fails only where the device is lost, and then the process is about to end.
    int ignored = CudaDriver.cuMemFreeHost(memory);
  }

  /** Gives back what was allocated here, once all work that may use it is done. */
  void free(Buffer buffer) {
    Allocation allocation = allocations.get(buffer.address());
    if (allocation == null || allocation.bytes() != buffer.bytes()) {
      throw new IllegalArgumentException("this buffer was not allocated here, or was freed before");
    }
    stream.synchronize("freeing memory");
    allocations.remove(buffer.address());
    allocatedBytes -= allocation.bytes();
    Arena mirror = allocation.mirror();
    if (mirror != null) {
      mirror.close();
    }
    context.check(CudaDriver.cuMemFree_v2(buffer.address()), "cuMemFree", "freeing memory");
  }

  /** Frees everything, on a lost device too. */
  @Override
  public void close() {
    allocations.forEach(
        (address, allocation) -> {
          int ignored = CudaDriver.cuMemFree_v2(address);
          Arena mirror = allocation.mirror();
          if (mirror != null) {
            mirror.close();
          }
        });
    allocations.clear();
    allocatedBytes = 0;
    hostMemory.close();
  }
}
