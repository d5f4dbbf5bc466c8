package dev.weir.engine.simulate;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.weir.engine.plan.StepWork;
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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * A device that computes nothing, in virtual time: asynchronous, so that one step is launched while
 * another runs. Weights and activations take no memory, whatever their shapes; a token's KV is 8
 * bytes ({@link SimulatedKernels}), so that what is drawn tells a right cache from a wrong one.
 */
public final class SimulatedDevice implements Device {
  private static final long ALIGNMENT = 64;

  private final String name;
  private final VirtualClock clock;
  private final StepCost cost;
  private final double noise;
  private final SplittableRandom random;
  private final Kernels kernels;
  private final SimulatedCopies copies;
  private final StepWork work = new StepWork();

  private long nextAddress = ALIGNMENT;
  private long idleAt;
  private long lostAt = Long.MAX_VALUE;
  private long steps;

  /**
   * @param name for people
   * @param clock one for all devices of a simulation
   * @param cost what steps take …
   * @param noise … times a factor that is drawn from 1 to 1 + this for each
   * @param seed of the noise
   * @param blockNanos what the copy of a KV block takes
   * @param draw which tokens are drawn
   */
  public SimulatedDevice(
      String name,
      VirtualClock clock,
      StepCost cost,
      double noise,
      long seed,
      long blockNanos,
      Draw draw) {
    this.name = name;
    this.clock = clock;
    this.cost = cost;
    this.noise = noise;
    random = new SplittableRandom(seed);
    kernels = new SimulatedKernels(draw);
    copies = new SimulatedCopies(this, clock, blockNanos);
  }

  /** From that moment on the device is lost. */
  public void loseAt(long nanos) {
    lostAt = nanos;
  }

  /** From now on each copy of a block fails with a probability; the device does not. */
  public void failCopies(double probability) {
    copies.failWith(probability, random.split());
  }

  /** How many steps it was given so far. */
  public long steps() {
    return steps;
  }

  /** When it will have done all that it was given so far. */
  public long idleAt() {
    return idleAt;
  }

  @Override
  public boolean lost() {
    return clock.nanos() >= lostAt;
  }

  void requireAlive() {
    if (lost()) {
      throw new DeviceLostException(
          name + " was lost, as the simulation has it", new IllegalStateException("lost"));
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public DType weightType(DType checkpoint) {
    return checkpoint;
  }

  @Override
  public DType activationType(DType weights) {
    return weights;
  }

  @Override
  public DType kvType(DType weights) {
    return weights;
  }

  /** An address and nothing behind it. */
  @Override
  public Buffer allocate(long bytes, String purpose) {
    long address = nextAddress;
    nextAddress += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return new DeviceBuffer(address, bytes, MemorySegment.NULL);
  }

  @Override
  public void free(Buffer buffer) {}

  private static HostBuffer memory(long bytes) {
    return new HostBuffer(Arena.ofAuto().allocate(bytes, ALIGNMENT));
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    HostBuffer memory = memory(bytes);
    return new Staging(memory.segment(), memory);
  }

  @Override
  public void upload(Staging staging, long offset, long bytes) {
    requireAlive();
  }

  @Override
  public void download(Staging staging, long bytes, Completion completion) {
    requireAlive();
    mark(completion, idleAt);
  }

  static void mark(Completion completion, long nanos) {
    if (!(completion instanceof Moment moment)) {
      throw new IllegalArgumentException("the completion is another device's");
    }
    moment.nanos = nanos;
  }

  @Override
  public Completion completion() {
    return new Moment();
  }

  /** A moment in virtual time. */
  private final class Moment implements Completion {
    private long nanos;

    @Override
    public void await() {
      clock.advanceTo(Math.min(nanos, lostAt));
      requireAlive();
      copies.seen(nanos);
    }

    @Override
    public boolean done() {
      if (!clock.passed(Math.min(nanos, lostAt))) {
        return false;
      }
      requireAlive();
      copies.seen(nanos);
      return true;
    }
  }

  @Override
  public MemorySegment hostMemory(long bytes, String purpose) {
    return memory(bytes).segment();
  }

  @Override
  public BlockCopies copies() {
    return copies;
  }

  @Override
  public boolean asynchronous() {
    return true;
  }

  @Override
  public void reserve(StepLimits limits) {}

  /** The program runs at once; that it is done shows later. */
  @Override
  public void compute(StepInputs step, StepProgram program) {
    requireAlive();
    clock.begun();
    program.run(step);
    steps++;
    double nanos = cost.nanos(workOf(step)) * (1 + noise * random.nextDouble());
    idleAt = Math.max(idleAt, clock.nanos()) + Math.max(1, Math.round(nanos));
  }

  private StepWork workOf(StepInputs step) {
    MemorySegment offsets = ((HostBuffer) step.sliceOffsets()).segment();
    MemorySegment lengths = ((HostBuffer) step.kvLengths()).segment();
    work.clear();
    for (int slice = 0; slice < step.slices(); slice++) {
      int length = offsets.getAtIndex(JAVA_INT, slice + 1) - offsets.getAtIndex(JAVA_INT, slice);
      int prefix = lengths.getAtIndex(JAVA_INT, slice) - length;
      if (length == 1) {
        work.addDecode(prefix);
      } else {
        work.addPrefill(prefix, length);
      }
    }
    return work;
  }

  @Override
  public void write(Buffer destination, long offset, MemorySegment source) {
    if (destination instanceof HostBuffer host) {
      MemorySegment.copy(source, 0, host.segment(), offset, source.byteSize());
    }
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    if (!(source instanceof HostBuffer host)) {
      throw new IllegalArgumentException("a simulated device keeps no weights and activations");
    }
    clock.advanceTo(idleAt);
    MemorySegment.copy(host.segment(), offset, destination, 0, destination.byteSize());
  }

  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    Buffer nothing = allocate((long) rows * columns * type.bytes(), purpose);
    return new LinearWeight(type, rows, columns, nothing, null);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {}

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    if (shape.blockBytes() != KvShape.BLOCK_TOKENS * (long) Long.BYTES) {
      throw new IllegalArgumentException(
          "a simulated token leaves 8 bytes in the cache: use SimulatedModel");
    }
    return new KvArena(shape, blocks, memory(blocks * shape.blockBytes()));
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  @Override
  public void close() {}
}
