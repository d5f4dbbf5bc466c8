package dev.weir.engine.testing;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.CopyChecks;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An asynchronous device that does everything as late as it may: uploads, steps and downloads are
 * queued, and run when a completion that follows them is awaited, or was asked {@value #ASKS} times
 * whether it is done; and so are copies of blocks, beside them. So a host that changes memory too
 * soon computes something else, and one that reads results too soon finds them poisoned. Steps are
 * recorded once for each size class and replayed, with the counts that stand in device memory by
 * then. What computes is a device whose ops work in host memory and are done when they return.
 *
 * <p>It can be lost at any time: then what is queued never runs, and every call tells.
 */
public final class LateDevice implements Device {
  /** More than is queued between two awaited completions of any test. */
  private static final int QUEUE = 64;

  /** More copies than any test hands in before it looks for their end. */
  private static final int MOST_COPIES = 1 << 16;

  /** A completion that nobody awaits is done when it was asked so often. */
  private static final int ASKS = 3;

  private static final byte POISON = (byte) 0xA5;

  private final Device real;
  private final Arena pinned = Arena.ofShared();

  /** As long as the longest staging memory. */
  private MemorySegment poison = MemorySegment.NULL;

  private final RecordingKernels kernels;
  private final List<Recording> recordings = new ArrayList<>();

  private final Work[] queue = new Work[QUEUE];
  private final ArrayDeque<BlockCopy> copies = new ArrayDeque<>();
  private final BlockCopies blockCopies = new LateCopies();
  private long copied;
  private long queued;
  private long done;
  private long lastStep = -1;
  private long overlaps;
  private long replays;
  private final int copyAsks;
  private boolean skipsOps;
  private boolean lost;

  /**
   * @param real closed with this
   */
  public LateDevice(Device real) {
    this(real, ASKS);
  }

  /**
   * @param real closed with this
   * @param copyAsks after how many questions copies are done that nobody awaits
   */
  public LateDevice(Device real, int copyAsks) {
    this.real = real;
    this.copyAsks = copyAsks;
    kernels = new RecordingKernels(real.kernels(), real instanceof ReferenceDevice);
    for (int i = 0; i < QUEUE; i++) {
      queue[i] = new Work();
    }
  }

  /** From now on no op is run, so that what a step takes is the host's own work. */
  public void skipOps() {
    skipsOps = true;
  }

  /** From now on the device is lost, with all that it has in flight. */
  public void lose() {
    lost = true;
  }

  private void requireUsable() {
    if (lost) {
      throw new DeviceLostException(name() + " is gone", new IllegalStateException("test"));
    }
  }

  /** Whether a step was launched and has not run. */
  public boolean computes() {
    return lastStep >= done;
  }

  /** Copies that were handed in and are not done. */
  public int copiesInFlight() {
    return copies.size();
  }

  /** Whether copies of another device were handed in, read from this one, and are not done. */
  public boolean isReadBy(LateDevice other) {
    return other.copies.stream().anyMatch(copy -> copy.peer == this);
  }

  /** How many steps were launched before the one before them had run. */
  public long overlaps() {
    return overlaps;
  }

  /** How many steps were run from an earlier step's recording. */
  public long replays() {
    return replays;
  }

  /** One entry of the queue: a step if there is a recording, else a copy up or down. */
  private static final class Work {
    @Nullable Recording step;
    @Nullable Staging staging;
    long offset;
    long bytes;
    boolean up;
  }

  private Work enqueue() {
    if (queued - done == QUEUE) {
      throw new AssertionError("more than " + QUEUE + " calls and none was awaited");
    }
    return queue[(int) (queued++ % QUEUE)];
  }

  private void runUntil(long mark) {
    while (done < mark) {
      Work work = queue[(int) (done++ % QUEUE)];
      if (work.step != null) {
        if (!skipsOps) {
          work.step.run();
        }
      } else if (work.staging != null) {
        copy(work.staging, work);
      }
    }
  }

  private static void copy(Staging staging, Work work) {
    MemorySegment device = segment(staging.device());
    MemorySegment from = work.up ? staging.host() : device;
    MemorySegment to = work.up ? device : staging.host();
    MemorySegment.copy(from, work.offset, to, work.offset, work.bytes);
  }

  private static MemorySegment segment(Buffer buffer) {
    if (buffer instanceof HostBuffer host) {
      return host.segment();
    }
    throw new IllegalArgumentException("not in host memory: " + buffer);
  }

  @Override
  public String name() {
    return "late " + real.name();
  }

  @Override
  public DType weightType(DType checkpoint) {
    return real.weightType(checkpoint);
  }

  @Override
  public DType activationType(DType weights) {
    return real.activationType(weights);
  }

  @Override
  public DType kvType(DType weights) {
    return real.kvType(weights);
  }

  @Override
  public Buffer allocate(long bytes, String purpose) {
    return real.allocate(bytes, purpose);
  }

  @Override
  public void free(Buffer buffer) {
    real.free(buffer);
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    if (poison.byteSize() < bytes) {
      poison = pinned.allocate(bytes).fill(POISON);
    }
    return new Staging(pinned.allocate(bytes, Long.BYTES), real.allocate(bytes, purpose));
  }

  @Override
  public void upload(Staging staging, long offset, long bytes) {
    requireUsable();
    Work work = enqueue();
    work.step = null;
    work.staging = staging;
    work.offset = offset;
    work.bytes = bytes;
    work.up = true;
  }

  @Override
  public void download(Staging staging, long bytes, Completion completion) {
    requireUsable();
    MemorySegment.copy(poison, 0, staging.host(), 0, bytes);
    Work work = enqueue();
    work.step = null;
    work.staging = staging;
    work.offset = 0;
    work.bytes = bytes;
    work.up = false;
    ((Mark) completion).mark(queued, 0);
  }

  private final class Mark implements Completion {
    private long at;
    private long copiesAt;
    private int asks;

    void mark(long at, long copiesAt) {
      this.at = at;
      this.copiesAt = copiesAt;
      asks = 0;
    }

    @Override
    public void await() {
      requireUsable();
      runUntil(at);
      copyUntil(copiesAt);
    }

    @Override
    public boolean done() {
      requireUsable();
      int enough = copied < copiesAt ? copyAsks : ASKS;
      if ((done < at || copied < copiesAt) && ++asks < enough) {
        return false;
      }
      await();
      return true;
    }
  }

  /**
   * A block's copy.
   *
   * @param after how much of the queue it waits for
   * @param peer whose block it reads; null: host memory's or this device's
   */
  private record BlockCopy(
      MemorySegment from, MemorySegment to, long after, @Nullable LateDevice peer) {}

  /** Throws after all of them if any could not be read. */
  private void copyUntil(long count) {
    LateDevice gone = null;
    while (copied < count) {
      BlockCopy copy = copies.remove();
      runUntil(copy.after);
      if (copy.peer != null && copy.peer.lost) {
        gone = copy.peer;
        copy.to.fill(POISON);
      } else {
        copy.to.copyFrom(copy.from);
      }
      copied++;
    }
    if (gone != null) {
      gone.requireUsable();
    }
  }

  private static MemorySegment block(KvArena arena, int block) {
    return segment(arena.memory()).asSlice(arena.offset(block), arena.shape().blockBytes());
  }

  /** Notes copies down; the end of each is as late as that of a completion behind it. */
  private final class LateCopies implements BlockCopies {
    private void enqueue(
        MemorySegment from, MemorySegment to, long after, @Nullable LateDevice peer) {
      requireUsable();
      if (copies.size() == MOST_COPIES) {
        throw new AssertionError("more than " + MOST_COPIES + " copies and none was awaited");
      }
      copies.add(new BlockCopy(from, to, after, peer));
    }

    @Override
    public void toHost(KvArena source, int block, MemorySegment hostBlock) {
      CopyChecks.hostBlock(hostBlock, source);
      enqueue(block(source, block), hostBlock.fill(POISON), 0, null);
    }

    @Override
    public void fromHost(MemorySegment hostBlock, KvArena destination, int block) {
      CopyChecks.hostBlock(hostBlock, destination);
      enqueue(hostBlock, block(destination, block), queued, null);
    }

    @Override
    public void fromPeer(
        Device peer, KvArena source, int sourceBlock, KvArena destination, int block) {
      if (!(peer instanceof LateDevice late)) {
        throw CopyChecks.strangers(peer, LateDevice.this);
      }
      CopyChecks.sameShape(source, destination);
      late.requireUsable();
      enqueue(block(source, sourceBlock), block(destination, block), queued, late);
    }

    @Override
    public void submit(Completion completion) {
      requireUsable();
      ((Mark) completion).mark(0, copied + copies.size());
    }
  }

  @Override
  public MemorySegment hostMemory(long bytes, String purpose) {
    return pinned.allocate(bytes, Long.BYTES).fill(POISON);
  }

  @Override
  public BlockCopies copies() {
    return blockCopies;
  }

  @Override
  public boolean lost() {
    return lost || real.lost();
  }

  @Override
  public Completion completion() {
    return new Mark();
  }

  @Override
  public boolean asynchronous() {
    return true;
  }

  @Override
  public void reserve(StepLimits limits) {
    real.reserve(limits);
  }

  @Override
  public void compute(StepInputs step, StepProgram program) {
    requireUsable();
    Recording recording = recording(step, program);
    overlaps += lastStep >= done ? 1 : 0;
    lastStep = queued;
    Work work = enqueue();
    work.step = recording;
    work.staging = null;
  }

  /** What the program did for the first step of this size class in the same memory. */
  private Recording recording(StepInputs step, StepProgram program) {
    // Above T, and even; not below R, and odd: so an op's rows say which of the two they are.
    int tokens = Integer.highestOneBit(step.tokens()) << 1;
    int samples = step.samples() == 0 ? 0 : step.samples() | 1;
    int slices = Math.min(tokens, step.slices() | 3);
    for (int i = 0; i < recordings.size(); i++) {
      Recording one = recordings.get(i);
      if (one.step == step && one.is(tokens, slices, samples)) {
        replays++;
        return one;
      }
    }
    Recording recorded = new Recording(step, tokens, slices, samples);
    int realTokens = step.tokens();
    int realSlices = step.slices();
    int realSamples = step.samples();
    step.counts(tokens, slices, samples);
    kernels.into = recorded;
    try {
      program.run(step);
    } finally {
      kernels.into = null;
      step.counts(realTokens, realSlices, realSamples);
    }
    recordings.add(recorded);
    return recorded;
  }

  /** An op with its arguments, but for the counts: those of the step that is run. */
  private interface Op {
    void run(StepInputs step);
  }

  private static final class Recording {
    final StepInputs step;
    private final StepInputs view;
    private final int tokens;
    private final int slices;
    private final int samples;
    private final List<Op> ops = new ArrayList<>();

    Recording(StepInputs step, int tokens, int slices, int samples) {
      this.step = step;
      this.tokens = tokens;
      this.slices = slices;
      this.samples = samples;
      view =
          new StepInputs(
              step.counts(),
              step.tokenIds(),
              step.positions(),
              step.tokenSlices(),
              step.sliceOffsets(),
              step.kvLengths(),
              step.blockTableRows(),
              step.blockTable(),
              step.blockTableWidth(),
              step.sampleRows(),
              step.drawn());
    }

    boolean is(int tokens, int slices, int samples) {
      return this.tokens == tokens && this.slices == slices && this.samples == samples;
    }

    void run() {
      MemorySegment counts = segment(view.counts());
      view.counts(
          counts.getAtIndex(ValueLayout.JAVA_INT, 0),
          counts.getAtIndex(ValueLayout.JAVA_INT, 1),
          counts.getAtIndex(ValueLayout.JAVA_INT, 2));
      for (int i = 0; i < ops.size(); i++) {
        ops.get(i).run(view);
      }
    }

    /** The step's own count of what was recorded with {@code rows} rows. */
    int rows(int rows, StepInputs step) {
      if (rows == tokens) {
        return step.tokens();
      }
      if (rows == samples) {
        return step.samples();
      }
      throw new AssertionError("an op of " + rows + " rows, which are neither T nor R");
    }
  }

  /** Notes ops down; the real ones are called when the step runs. */
  private static final class RecordingKernels implements Kernels {
    private final Kernels ops;
    private final boolean knowsDrawnTokens;
    private @Nullable Recording into;

    /**
     * @param knowsDrawnTokens whether embed resolves tokens of the step before: a device that is
     *     synchronous need not
     */
    RecordingKernels(Kernels ops, boolean knowsDrawnTokens) {
      this.ops = ops;
      this.knowsDrawnTokens = knowsDrawnTokens;
    }

    private Recording recording() {
      if (into == null) {
        throw new AssertionError("an op outside of a step's program");
      }
      return into;
    }

    private void record(StepInputs step, Op op) {
      if (step != recording().step) {
        throw new AssertionError("an op for another step");
      }
      recording().ops.add(op);
    }

    @Override
    public void prepare(StepInputs step) {
      record(step, ops::prepare);
    }

    @Override
    public void embed(StepInputs step, LinearWeight table, Buffer out) {
      record(
          step,
          now -> {
            if (!knowsDrawnTokens) {
              putDrawnTokens(now);
            }
            ops.embed(now, table, out);
          });
    }

    private static void putDrawnTokens(StepInputs step) {
      MemorySegment ids = segment(step.tokenIds());
      MemorySegment drawn = segment(Objects.requireNonNull(step.drawn()));
      for (int t = 0; t < step.tokens(); t++) {
        int id = ids.getAtIndex(ValueLayout.JAVA_INT, t);
        if (id < 0) {
          long row = (-1L - id) * SampleLayout.RESULT_BYTES + SampleLayout.RESULT_TOKEN;
          int token = drawn.get(ValueLayout.JAVA_INT, row);
          ids.setAtIndex(ValueLayout.JAVA_INT, t, Math.max(0, token)); // no token: any will do
        }
      }
    }

    @Override
    public void addRmsNorm(
        int rows,
        int dim,
        Buffer residual,
        @Nullable Buffer delta,
        Buffer weight,
        float epsilon,
        Buffer out) {
      Recording to = recording();
      to.ops.add(
          now -> ops.addRmsNorm(to.rows(rows, now), dim, residual, delta, weight, epsilon, out));
    }

    @Override
    public void gatherAddRmsNorm(
        StepInputs step,
        int dim,
        Buffer residual,
        Buffer delta,
        Buffer weight,
        float epsilon,
        Buffer out) {
      record(step, now -> ops.gatherAddRmsNorm(now, dim, residual, delta, weight, epsilon, out));
    }

    @Override
    public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
      Recording to = recording();
      to.ops.add(now -> ops.linear(to.rows(rows, now), in, weight, out));
    }

    @Override
    public void rotateAndCache(
        StepInputs step,
        AttentionShape shape,
        @Nullable QkNorm norm,
        RotaryTable rotary,
        Buffer qkv,
        KvArena cache,
        int layer) {
      record(step, now -> ops.rotateAndCache(now, shape, norm, rotary, qkv, cache, layer));
    }

    @Override
    public void attention(
        StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
      record(step, now -> ops.attention(now, shape, qkv, cache, layer, out));
    }

    @Override
    public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
      Recording to = recording();
      to.ops.add(now -> ops.gatedActivation(to.rows(rows, now), width, gateUp, out));
    }

    @Override
    public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {
      Recording to = recording();
      to.ops.add(now -> ops.logits(to.rows(rows, now), in, head, out));
    }

    @Override
    public void sample(
        int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
      Recording to = recording();
      to.ops.add(now -> ops.sample(to.rows(rows, now), vocabulary, logits, parameters, results));
    }

    @Override
    public void copyBlocks(KvArena cache, int count, Buffer pairs) {
      throw new AssertionError("no part of a step");
    }
  }

  @Override
  public void write(Buffer destination, long offset, MemorySegment source) {
    real.write(destination, offset, source);
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    runUntil(queued);
    real.read(source, offset, destination);
  }

  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    return real.allocateLinear(type, rows, columns, purpose);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    real.pack(weight, firstRow, count, source);
  }

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    return real.allocateKv(shape, blocks);
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  @Override
  public void close() {
    boolean drained = done == queued && copies.isEmpty();
    real.close();
    pinned.close();
    if (!drained && !lost) {
      throw new AssertionError("closed with work in flight");
    }
  }
}
