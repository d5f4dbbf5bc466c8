package dev.weir.kernels.reference;

import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.HostBlockCopies;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * The device that computes in portable Java on the calling thread. Activations are F32; a cache for
 * BF16 weights is BF16, as on the CPU device, any other is F32.
 */
public final class ReferenceDevice implements Device {
  private static final int ALIGNMENT = 64;
  private static final long HUGE_PAGE = 2L << 20;

  private final Map<Long, Arena> arenas = new HashMap<>();
  private final Kernels kernels = new ReferenceKernels();
  private final BlockCopies copies =
      new HostBlockCopies(this, peer -> peer instanceof ReferenceDevice);

  private ReferenceDevice() {}

  /** A device with memory of its own. */
  public static ReferenceDevice open() {
    return new ReferenceDevice();
  }

  @Override
  public String name() {
    return "reference (portable Java, 1 thread)";
  }

  @Override
  public DType weightType(DType checkpoint) {
    return checkpoint;
  }

  @Override
  public DType activationType(DType weights) {
    return DType.F32;
  }

  @Override
  public DType kvType(DType weights) {
    return weights == DType.BF16 ? DType.BF16 : DType.F32;
  }

  @Override
  public HostBuffer allocate(long bytes, String purpose) {
    if (bytes < 1) {
      throw new IllegalArgumentException(purpose + ": cannot allocate " + bytes + " bytes");
    }
    // An arena per buffer, so that free gives memory back, and an access after it throws.
    Arena arena = Arena.ofShared();
    MemorySegment segment;
    try {
      segment = arena.allocate(bytes, bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT);
    } catch (OutOfMemoryError e) {
      arena.close();
      DeviceMemoryException failure =
          new DeviceMemoryException(
              "no memory for %s: %,d bytes of native memory were refused (%s); choose a smaller"
                      .formatted(purpose, bytes, e.getMessage())
                  + " model or KV cache, or raise the JVM's -XX:MaxDirectMemorySize");
      failure.initCause(e);
      throw failure;
    }
    arenas.put(segment.address(), arena);
    return new HostBuffer(segment);
  }

  @Override
  public void free(Buffer buffer) {
    Arena arena = arenas.remove(buffer.address());
    if (arena == null) {
      throw new IllegalArgumentException("not a buffer of this device, or already freed");
    }
    arena.close();
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    HostBuffer both = allocate(bytes, purpose);
    return new Staging(both.segment(), both);
  }

  @Override
  public void upload(Staging staging, long offset, long bytes) {
    Objects.checkFromIndexSize(offset, bytes, staging.device().bytes());
  }

  @Override
  public void download(Staging staging, long bytes, Completion completion) {
    Objects.checkFromIndexSize(0, bytes, staging.device().bytes());
  }

  @Override
  public Completion completion() {
    return Completion.DONE;
  }

  @Override
  public MemorySegment hostMemory(long bytes, String purpose) {
    return allocate(bytes, purpose).segment();
  }

  @Override
  public BlockCopies copies() {
    return copies;
  }

  @Override
  public boolean lost() {
    return false;
  }

  @Override
  public boolean asynchronous() {
    return false;
  }

  /** Scratch grows with the calls. */
  @Override
  public void reserve(StepLimits limits) {}

  @Override
  public void compute(StepInputs step, StepProgram program) {
    program.run(step);
  }

  @Override
  public void write(Buffer destination, long offset, MemorySegment source) {
    MemorySegment.copy(source, 0, Memory.segment(destination), offset, source.byteSize());
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    MemorySegment.copy(Memory.segment(source), offset, destination, 0, destination.byteSize());
  }

  /** Row-major, as it comes. */
  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    if (type == DType.I32) {
      throw new IllegalArgumentException(purpose + ": a weight cannot be " + type);
    }
    Buffer packed = allocate((long) rows * columns * type.bytes(), purpose);
    return new LinearWeight(type, rows, columns, packed, null);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    Objects.checkFromIndexSize(firstRow, count, weight.rows());
    long rowBytes = (long) weight.columns() * weight.type().bytes();
    MemorySegment.copy(
        source, 0, Memory.segment(weight.packed()), firstRow * rowBytes, count * rowBytes);
  }

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    return new KvArena(shape, blocks, allocate(blocks * shape.blockBytes(), "the KV cache"));
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  @Override
  public void close() {
    arenas.values().forEach(Arena::close);
    arenas.clear();
  }
}
