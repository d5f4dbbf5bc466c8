package dev.weir.kernels.cpu;

import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceBuffer;
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
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * The host's processors through the C kernels. Memory is the host's; ops are done when they return.
 * Activations are F32.
 */
public final class CpuDevice implements Device {
  /** The most worker threads of one device. */
  public static final int MAX_THREADS = 1024;

  private final long handle;
  private final Isa isa;
  private final int threads;
  private final CpuKernels kernels;
  private final BlockCopies copies;
  private final PageBacking pages = new PageBacking();
  private final Map<Long, Arena> allocations = new HashMap<>();
  private long allocatedBytes;
  private long peakBytes;
  private boolean closed;

  private CpuDevice(long handle, Isa isa, int threads) {
    this.handle = handle;
    this.isa = isa;
    this.threads = threads;
    this.kernels = new CpuKernels(handle);
    // The order inside a head's tile is the instruction level's own.
    copies = new HostBlockCopies(this, peer -> peer instanceof CpuDevice other && other.isa == isa);
  }

  /** Why there are no native kernels in this process; empty where there are. */
  public static Optional<String> unavailable() {
    return NativeLibrary.unavailable();
  }

  /**
   * Opens a device on the best instruction level of this machine, or on the one that {@value
   * Isa#PROPERTY} names.
   *
   * @param threads worker threads, the calling one included, 1 … {@link #MAX_THREADS}
   * @throws IllegalStateException if {@link #unavailable}
   * @throws UnsupportedOperationException if this machine lacks the level that was asked for
   */
  public static CpuDevice open(int threads) {
    String forced = System.getProperty(Isa.PROPERTY);
    return open(threads, forced == null ? bestIsa() : Isa.parse(forced));
  }

  /** The same on a given level. */
  public static CpuDevice open(int threads, Isa isa) {
    if (threads < 1 || threads > MAX_THREADS) {
      throw new IllegalArgumentException(
          "threads must be 1 … " + MAX_THREADS + ", not " + threads + ": one per core is best");
    }
    NativeLibrary.require();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment opened = arena.allocate(ValueLayout.JAVA_LONG);
      int status =
          (int)
              Native.OPEN.invokeExact(
                  threads, isa.vectorLevel(), isa.matrix().code(), opened.address());
      if (status != Native.OK) {
        throw Native.failure(
            "opening a CPU device on " + isa.title() + " with " + threads + " threads", status);
      }
      return new CpuDevice(opened.get(ValueLayout.JAVA_LONG, 0), isa, threads);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  /**
   * The best level of this machine.
   *
   * @throws IllegalStateException if {@link #unavailable}
   */
  public static Isa bestIsa() {
    NativeLibrary.require();
    try {
      boolean amx = (int) Native.HAS_AMX.invokeExact() == 1;
      return amx ? Isa.AMX : Isa.ofVectorLevel((int) Native.BEST_ISA.invokeExact());
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  /** The instruction level that is used. */
  public Isa isa() {
    return isa;
  }

  /** The native device, for a downcall. */
  long handle() {
    requireOpen();
    return handle;
  }

  /** Bytes that are allocated now. */
  public long allocatedBytes() {
    return allocatedBytes;
  }

  /** The most bytes that were allocated at one time. */
  public long peakBytes() {
    return peakBytes;
  }

  @Override
  public String name() {
    return "cpu (" + isa.title() + ", " + threads + (threads == 1 ? " thread)" : " threads)");
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
  public Buffer allocate(long bytes, String purpose) {
    return new HostBuffer(map(bytes, purpose));
  }

  private MemorySegment map(long bytes, String purpose) {
    return map(bytes, purpose, false);
  }

  /**
   * Memory that lives until it is freed, or the device is closed.
   *
   * @param backed whether its pages are wanted before they are touched
   */
  private MemorySegment map(long bytes, String purpose, boolean backed) {
    requireOpen();
    if (bytes < 1) {
      throw new IllegalArgumentException(purpose + ": cannot allocate " + bytes + " bytes");
    }
    long address = address(bytes);
    if (address < 0) {
      throw new DeviceMemoryException(
          String.format(
              "cannot allocate %,d bytes for %s (%,d are allocated; errno %d); use a smaller model"
                  + " or a smaller KV cache, or free memory",
              bytes, purpose, allocatedBytes, -address));
    }
    // An arena of its own, so that a use after free throws instead of faulting.
    Arena arena = Arena.ofShared();
    allocations.put(address, arena);
    allocatedBytes += bytes;
    peakBytes = Math.max(peakBytes, allocatedBytes);
    long backing = backed ? pages.begin(address, bytes, purpose) : PageBacking.NONE;
    return MemorySegment.ofAddress(address)
        .reinterpret(bytes, arena, segment -> unmap(segment, backing));
  }

  private static long address(long bytes) {
    try {
      return (long) Native.ALLOCATE.invokeExact(bytes);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  private static void unmap(MemorySegment segment, long backing) {
    PageBacking.end(backing);
    try {
      int status = (int) Native.FREE.invokeExact(segment.address(), segment.byteSize());
      assert status == Native.OK;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  @Override
  public void free(Buffer buffer) {
    Arena arena = allocations.remove(buffer.address());
    if (arena == null) {
      throw new IllegalArgumentException("this buffer was not allocated here, or was freed before");
    }
    allocatedBytes -= buffer.bytes();
    arena.close();
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    MemorySegment memory = map(bytes, purpose);
    return new Staging(memory, new HostBuffer(memory));
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
    return map(bytes, purpose, true);
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
    MemorySegment.copy(source, 0, segment(destination), offset, source.byteSize());
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    MemorySegment.copy(segment(source), offset, destination, 0, destination.byteSize());
  }

  private static MemorySegment segment(Buffer buffer) {
    return switch (buffer) {
      case HostBuffer host -> host.segment();
      case DeviceBuffer device ->
          throw new IllegalArgumentException("memory of another device: " + device);
    };
  }

  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    if (rows < 1 || columns < 1) {
      throw new IllegalArgumentException(
          purpose + ": a weight of shape [" + rows + "][" + columns + "]");
    }
    if (type == DType.I32) {
      throw new IllegalArgumentException(purpose + ": weights are F32, F16 or BF16, not " + type);
    }
    long bytes = CpuKernels.packedBytes(type, rows, columns);
    return new LinearWeight(type, rows, columns, allocate(bytes, purpose), null);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    requireOpen();
    kernels.pack(weight, firstRow, count, source);
  }

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    if (blocks < 1) {
      throw new IllegalArgumentException("a KV cache of " + blocks + " blocks");
    }
    long bytes = Math.multiplyExact(shape.blockBytes(), blocks);
    return new KvArena(shape, blocks, new HostBuffer(map(bytes, "KV cache", true)));
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this device is closed");
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    kernels.close();
    allocations.values().forEach(Arena::close);
    allocations.clear();
    allocatedBytes = 0;
    try {
      int status = (int) Native.CLOSE.invokeExact(handle);
      assert status == Native.OK;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }
}
