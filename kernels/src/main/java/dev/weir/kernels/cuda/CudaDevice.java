package dev.weir.kernels.cuda;

import dev.weir.bindings.CudaDriverLibrary;
import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import dev.weir.kernels.UnsupportedShapeException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An NVIDIA GPU. Weights are BF16 or F16, activations and the cache of the same type; norms, biases
 * and logits are F32. Ops return as soon as they are enqueued on the device's stream; their faults
 * show at the next {@link Completion#await} or {@link Completion#done}.
 *
 * <p>A fault of a kernel, or of the hardware, loses the device: every call after it throws a {@link
 * DeviceLostException} that names the first failure.
 */
public final class CudaDevice implements Device {
  /** {@code false} runs every step's ops one by one instead of replaying recorded graphs. */
  public static final String GRAPHS_PROPERTY = "weir.cuda.graphs";

  /**
   * {@code true} waits for every kernel, so that a fault names the kernel that made it; without
   * graphs, and slow.
   */
  public static final String BLOCKING_PROPERTY = "weir.cuda.blocking";

  private static final String UPLOAD = "a step's inputs";
  private static final String DOWNLOAD = "a step's results";

  private static final System.Logger LOG = System.getLogger(CudaDevice.class.getName());

  private final Context context;
  private final String name;
  private final int major;
  private final int minor;
  private final int multiprocessors;
  private final boolean graphs;
  private final Stream stream;
  private final CudaMemory memory;
  private final BounceBuffers bounce;
  private final Map<String, Module> modules = new HashMap<>();
  private final List<Event> events = new ArrayList<>();
  private @Nullable WeightPacker packer;
  private @Nullable CudaKernels kernels;
  private @Nullable RecordedSteps recorded;
  private @Nullable CudaBlockCopies copies;
  private boolean closed;

  private CudaDevice(int ordinal, Context context, Availability.Properties properties) {
    this.context = context;
    this.major = properties.major();
    this.minor = properties.minor();
    this.name = "cuda:" + ordinal + " (" + properties.name() + ", sm_" + major + minor + ")";
    context.enter();
    boolean blocking = Boolean.getBoolean(BLOCKING_PROPERTY);
    graphs = !blocking && !"false".equals(System.getProperty(GRAPHS_PROPERTY));
    multiprocessors = context.attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT());
    stream = new Stream(context, blocking);
    memory = new CudaMemory(context, stream);
    bounce = new BounceBuffers(stream);
  }

  /** How many GPUs there are; 0 where {@link #unavailable()} says why. */
  public static int count() {
    return Availability.count();
  }

  /** Whether this machine has the driver of a GPU at all. */
  public static boolean hasDriver() {
    return CudaDriverLibrary.missing().isEmpty();
  }

  /** Why the first GPU cannot be used, and what to do about it; empty where it can. */
  public static Optional<String> unavailable() {
    return unavailable(0);
  }

  /**
   * Why a GPU cannot be used, and what to do about it, in one line; empty where it can.
   *
   * @param ordinal its number, from 0
   */
  public static Optional<String> unavailable(int ordinal) {
    return Availability.reasonAgainst(ordinal);
  }

  /**
   * Opens a GPU.
   *
   * @param ordinal its number, from 0
   * @throws IllegalStateException if it is {@link #unavailable(int)}
   */
  public static CudaDevice open(int ordinal) {
    Optional<String> reason = unavailable(ordinal);
    if (reason.isPresent()) {
      throw new IllegalStateException(reason.get());
    }
    Context context = Context.open(ordinal);
    try {
      return new CudaDevice(ordinal, context, Availability.properties(ordinal));
    } catch (RuntimeException e) {
      context.close(); // gives back all that was made in it
      throw e;
    }
  }

  Context context() {
    return context;
  }

  /** The queue of all work on this device. */
  Stream stream() {
    return stream;
  }

  /** How many blocks run at a time, at one per multiprocessor. */
  int multiprocessors() {
    return multiprocessors;
  }

  /** A family's kernels, loaded at the first call for it. */
  Module module(String family) {
    context.enter();
    return modules.computeIfAbsent(family, f -> Module.load(context, f, major, minor));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public DType weightType(DType checkpoint) {
    return checkpoint == DType.F16 ? DType.F16 : DType.BF16;
  }

  @Override
  public DType activationType(DType weights) {
    return weightType(weights);
  }

  @Override
  public DType kvType(DType weights) {
    return weightType(weights);
  }

  /** Memory that is not taken, by this process or another. */
  public long freeBytes() {
    context.enter();
    return memory.freeBytes();
  }

  @Override
  public DeviceBuffer allocate(long bytes, String purpose) {
    context.enter();
    return memory.allocate(bytes, purpose);
  }

  @Override
  public void free(Buffer buffer) {
    context.enter();
    RecordedSteps steps = recorded;
    if (steps != null) {
      steps.forgetAll();
    }
    finishCopies();
    memory.free(buffer);
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    context.enter();
    DeviceBuffer buffer = memory.allocateMirrored(bytes, purpose);
    return new Staging(buffer.mirror(), buffer);
  }

  @Override
  public void upload(Staging staging, long offset, long bytes) {
    Objects.checkFromIndexSize(offset, bytes, staging.device().bytes());
    context.enter();
    if (bytes > 0) {
      long host = staging.host().address() + offset;
      stream.copyIn(staging.device().address() + offset, host, bytes, UPLOAD);
    }
  }

  @Override
  public void download(Staging staging, long bytes, Completion completion) {
    Objects.checkFromIndexSize(0, bytes, staging.device().bytes());
    Event event = own(completion);
    context.enter();
    if (bytes > 0) {
      stream.copyOut(staging.host().address(), staging.device().address(), bytes, DOWNLOAD);
    }
    event.record(stream);
  }

  /** The event behind a completion of this device. */
  Event own(Completion completion) {
    if (!(completion instanceof Event event) || event.context() != context) {
      throw new IllegalArgumentException("a completion of another device");
    }
    return event;
  }

  @Override
  public Completion completion() {
    context.enter();
    Event event = new Event(context, "a step");
    events.add(event);
    return event;
  }

  @Override
  public MemorySegment hostMemory(long bytes, String purpose) {
    context.enter();
    return memory.hostMemory(bytes, purpose);
  }

  @Override
  public BlockCopies copies() {
    CudaBlockCopies opened = copies;
    if (opened == null) {
      context.enter();
      opened = new CudaBlockCopies(this);
      copies = opened;
    }
    return opened;
  }

  @Override
  public boolean lost() {
    return context.isLost();
  }

  @Override
  public boolean asynchronous() {
    return true;
  }

  @Override
  public void reserve(StepLimits limits) {
    if (kernels != null) {
      throw new IllegalStateException("a device is reserved for one model: open it anew");
    }
    context.enter();
    CudaKernels opened = new CudaKernels(this, limits);
    kernels = opened;
    recorded = new RecordedSteps(opened, stream, limits, graphs);
  }

  @Override
  public void compute(StepInputs step, StepProgram program) {
    RecordedSteps steps = recorded;
    if (steps == null) {
      throw unreserved();
    }
    context.enter();
    steps.compute(step, program);
  }

  /** Also into the host's side of staging memory, so that both sides stay the same. */
  @Override
  public void write(Buffer destination, long offset, MemorySegment source) {
    DeviceBuffer buffer = own(destination);
    Objects.checkFromIndexSize(offset, source.byteSize(), buffer.bytes());
    context.enter();
    bounce.write(buffer.address() + offset, source);
    if (!buffer.mirror().equals(MemorySegment.NULL)) {
      MemorySegment.copy(source, 0, buffer.mirror(), offset, source.byteSize());
    }
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    DeviceBuffer buffer = own(source);
    Objects.checkFromIndexSize(offset, destination.byteSize(), buffer.bytes());
    context.enter();
    bounce.read(buffer.address() + offset, destination);
  }

  /** Throws for memory of another kind of device. */
  static DeviceBuffer own(Buffer buffer) {
    return switch (buffer) {
      case DeviceBuffer device -> device;
      case HostBuffer host ->
          throw new IllegalArgumentException("memory of another device: " + host);
    };
  }

  /**
   * @throws IllegalArgumentException if the type is not BF16 or F16
   * @throws UnsupportedShapeException if a row is too long
   */
  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    if (rows < 1 || columns < 1) {
      throw new IllegalArgumentException(
          purpose + ": a weight of shape [" + rows + "][" + columns + "]");
    }
    if (columns > WeightPacker.MAX_COLUMNS) {
      throw new UnsupportedShapeException(
          purpose
              + ": a weight of "
              + columns
              + " columns; on a GPU it has at most "
              + WeightPacker.MAX_COLUMNS);
    }
    if (type != DType.BF16 && type != DType.F16) {
      throw new IllegalArgumentException(
          purpose + ": weights on a GPU are BF16 or F16, not " + type);
    }
    DeviceBuffer packed = allocate(PackedWeights.bytes(rows, columns), purpose);
    return new LinearWeight(type, rows, columns, packed, null);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    Objects.checkFromIndexSize(firstRow, count, weight.rows());
    own(weight.packed());
    context.enter();
    WeightPacker opened = packer;
    if (opened == null) {
      opened = new WeightPacker(module("embed"), stream, bounce, memory);
      packer = opened;
    }
    opened.pack(weight, firstRow, count, source);
  }

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    if (blocks < 1) {
      throw new IllegalArgumentException("a KV cache of " + blocks + " blocks");
    }
    long bytes = Math.multiplyExact(shape.blockBytes(), blocks);
    return new KvArena(shape, blocks, allocate(bytes, "the KV cache"));
  }

  /**
   * @throws IllegalStateException before {@link #reserve}
   */
  @Override
  public Kernels kernels() {
    CudaKernels opened = kernels;
    if (opened == null) {
      throw unreserved();
    }
    return opened;
  }

  private static IllegalStateException unreserved() {
    return new IllegalStateException("call reserve before the first op");
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    finish();
    context.enterToClose();
    RecordedSteps steps = recorded;
    if (steps != null) {
      steps.forgetAll();
    }
    CudaBlockCopies opened = copies;
    if (opened != null) {
      opened.close();
    }
    events.forEach(Event::close);
    bounce.close();
    memory.close();
    modules.values().forEach(Module::close);
    stream.close();
    context.close();
  }

  private void finishCopies() {
    CudaBlockCopies opened = copies;
    if (opened != null) {
      opened.synchronize();
    }
  }

  /**
   * Nothing may be given back that work still uses. A failure is told, and ends all work as well.
   */
  private void finish() {
    if (context.isLost()) {
      return;
    }
    try {
      context.enter();
      stream.synchronize("closing");
      finishCopies();
    } catch (CudaException | DeviceLostException e) {
      LOG.log(System.Logger.Level.WARNING, name + " failed before it was closed", e);
    }
  }
}
