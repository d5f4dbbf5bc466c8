package dev.weir.kernels.cuda;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.UnsupportedShapeException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Launches {@code attention.cu}: at a step's first layer one launch that shares out its work, then
 * one per layer that does it. The grid is as many blocks as run at a time; which of them does what
 * shows in no bit. Sizes of buffers were checked.
 */
final class CudaAttention {
  /** A multiple of the elements that one asynchronous copy moves. */
  private static final int HEAD_DIM_MULTIPLE = 8;

  /** What kernels are compiled for; other head dims run in the next larger one. Ascending. */
  private static final int[] HEAD_DIMS = {32, 64, 96, 128, 256};

  private static final int PREPARE_ARGUMENTS = CudaCache.STEP_ARGUMENTS + Work.ARGUMENTS + 4;
  private static final int ARGUMENTS = CudaCache.ARGUMENTS + 8 + Work.ARGUMENTS;

  private static final int WARPS = 4;
  private static final int WARP_ROWS = 16;
  private static final int THREADS = 128;
  private static final int LISTS = 3;
  private static final int ITEM_BYTES = 32;

  /** Room for the counters, in whole lines of the cache. */
  private static final int COUNTER_BYTES = 256;

  /** What the driver takes of shared memory for each block, and the kernels' own variables. */
  private static final int BLOCK_SHARED_BYTES = 1024 + 256;

  /**
   * The most memory for states of segments that different blocks compute: what 12 decode rows of
   * 128K tokens need with 8 key/value heads of 128, or 3 prefill tiles. What finds no room there is
   * folded in a chain or not split, which costs balance, and no bit.
   */
  static final long MAX_PARTIAL_BYTES = 128L << 20;

  /** Of {@code attention.h}: what a block should find, and where chains begin. */
  private static final int PARTS_PER_BLOCK = 4;

  private static final int MOST_APART = 4;

  /** exp(x) is 2 to the power of this times x. */
  private static final double LOG2_E = 1 / Math.log(2);

  /** A kernel for head dims up to {@code headDim}, and how many of its blocks run at a time. */
  private record Sized(int headDim, int blocks, Launch launch) {
    /** Tiles of few rows share a row group's columns between all warps, wide ones as few as fit. */
    int wideSlots() {
      return headDim > 128 ? WARPS / 2 : WARPS;
    }

    int wideRows() {
      return wideSlots() * WARP_ROWS;
    }

    /** A narrow tile's state: its output's elements and two numbers per row, for each thread. */
    int slotFloats() {
      return THREADS * (headDim / 8 + 4);
    }

    long slotBytes() {
      return (long) slotFloats() * Float.BYTES;
    }
  }

  /** What a list of work is made for: of all that a launch depends on, what it does not read. */
  private record Sharing(int heads, int kvHeads, Sized kernel, int tokens, int blocks) {}

  private final Stream stream;
  private final int slices;
  private final int segments;
  private final Launch prepare;
  private final List<Sized> kernels = new ArrayList<>();
  private final Work work;
  private @Nullable Sharing shared;

  /** The scratch memory that both launches use: {@code AttentionWork}. */
  private record Work(
      DeviceBuffer counters,
      DeviceBuffer items,
      DeviceBuffer partials,
      DeviceBuffer arrivals,
      DeviceBuffer running) {
    static final int ARGUMENTS = 9;

    /** Items that each list holds. */
    long itemCapacity() {
      return items.bytes() / (LISTS * ITEM_BYTES);
    }

    /** States that there is room for. */
    long slots(Sized kernel) {
      return Math.min(partials.bytes() / kernel.slotBytes(), arrivals.bytes() / Integer.BYTES);
    }

    void set(Launch launch, int at, Sized kernel, long slots) {
      launch
          .set(at, counters.address())
          .set(at + 1, items.address())
          .set(at + 2, itemCapacity())
          .set(at + 3, partials.address())
          .set(at + 4, arrivals.address())
          .set(at + 5, slots)
          .set(at + 6, kernel.slotFloats())
          .set(at + 7, kernel.wideSlots())
          .set(at + 8, running.address());
    }
  }

  /** Loads the kernels for the reserved head dim and smaller, and allocates their scratch. */
  CudaAttention(CudaDevice device, StepLimits limits) {
    this(device, limits, MAX_PARTIAL_BYTES);
  }

  /** With so many bytes for states at most: what is shared out how, for tests. */
  CudaAttention(CudaDevice device, StepLimits limits, long maxPartialBytes) {
    stream = device.stream();
    slices = limits.slices();
    segments = Math.ceilDiv(limits.positions(), AttentionShape.SEGMENT_TOKENS);
    Module module = device.module("attention");
    prepare = new Launch(module, "attention_prepare", PREPARE_ARGUMENTS);
    AttentionShape shape = limits.attention();
    requireSupported(shape);
    long runningBytes = 0;
    for (int headDim : HEAD_DIMS) {
      if (kernels.isEmpty() || kernels.getLast().headDim() < shape.headDim()) {
        Sized kernel = sized(device, module, headDim, limits.activation());
        kernels.add(kernel);
        long bytes = (long) kernel.blocks() * kernel.wideSlots() * kernel.slotBytes();
        runningBytes = Math.max(runningBytes, bytes);
      }
    }
    Sized kernel = kernels.getLast();
    long tiles = tiles(limits.tokens(), shape, kernel);
    // A decode row's segments; those of wide tiles, while there are few; a chain's state for
    // others.
    long apart = (MOST_APART + 1L) * PARTS_PER_BLOCK * kernel.blocks();
    long wide = Math.min(apart, shape.kvHeads() * tiles * segments) + shape.kvHeads() * tiles;
    long states = (long) shape.kvHeads() * segments * slices + kernel.wideSlots() * wide;
    long partialBytes = Math.min(states * kernel.slotBytes(), maxPartialBytes);
    long slots = partialBytes / kernels.getFirst().slotBytes();
    long items = tiles + slots / shape.kvHeads();
    String purpose = "scratch space of attention";
    work =
        new Work(
            device.allocate(COUNTER_BYTES, purpose),
            device.allocate(items * LISTS * ITEM_BYTES, purpose),
            device.allocate(partialBytes, purpose),
            device.allocate(slots * Integer.BYTES, purpose),
            device.allocate(runningBytes, purpose));
  }

  private static Sized sized(CudaDevice device, Module module, int headDim, DType activation) {
    String name = "attention_" + (activation == DType.F16 ? "f16_" : "bf16_") + headDim;
    int available =
        device
            .context()
            .attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR());
    int bySharedMemory = available / (module.kernel(name).sharedBytes() + BLOCK_SHARED_BYTES);
    int byRegisters = headDim > 32 ? 2 : 3; // the kernels' launch bounds
    int blocks = device.multiprocessors() * Math.clamp(bySharedMemory, 1, byRegisters);
    return new Sized(headDim, blocks, new Launch(module, name, ARGUMENTS));
  }

  /**
   * @throws UnsupportedShapeException if there is no kernel for such heads
   */
  static void requireSupported(AttentionShape shape) {
    int most = HEAD_DIMS[HEAD_DIMS.length - 1];
    if (shape.headDim() % HEAD_DIM_MULTIPLE != 0 || shape.headDim() > most) {
      throw new UnsupportedShapeException(
          "on a GPU heads have a multiple of 8 elements, at most "
              + most
              + ", but this model's have "
              + shape.headDim());
    }
    if (!(shape.scale() > 0)) {
      throw new UnsupportedShapeException(
          "on a GPU scores are scaled by a positive number, not by " + shape.scale());
    }
  }

  /** A step begins: its work is not shared out yet. */
  void prepare() {
    shared = null;
  }

  void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
    Sized kernel = kernel(shape);
    long tiles = tiles(step.tokens(), shape, kernel);
    if (tiles > work.itemCapacity()) {
      throw new IllegalArgumentException(
          "attention of "
              + step.tokens()
              + " tokens and "
              + shape
              + " needs more scratch memory than was reserved");
    }
    // A part more than a tile takes a slot for each head.
    long slots = Math.min(work.slots(kernel), (work.itemCapacity() - tiles) * shape.kvHeads());
    int blocks = (int) Math.min(kernel.blocks(), tiles * segments * shape.kvHeads());
    Sharing sharing = new Sharing(shape.heads(), shape.kvHeads(), kernel, step.tokens(), blocks);
    if (!sharing.equals(shared)) {
      int at = CudaCache.STEP_ARGUMENTS;
      CudaCache.set(prepare, step);
      work.set(prepare, at, kernel, slots);
      at += Work.ARGUMENTS;
      prepare
          .set(at, shape.heads() / shape.kvHeads())
          .set(at + 1, shape.kvHeads())
          .set(at + 2, kernel.wideRows())
          .set(at + 3, blocks)
          .grid(1, 1, 1)
          .on(stream);
      shared = sharing;
    }
    boolean capped = shape.softCap() != 0;
    int at = CudaCache.ARGUMENTS;
    Launch launch = kernel.launch();
    CudaCache.set(launch, step, cache, layer)
        .set(at, qkv.address())
        .set(at + 1, out.address())
        .set(at + 2, shape.qkvColumns())
        .set(at + 3, shape.heads())
        .set(at + 4, shape.window())
        .set(at + 5, capped ? (double) shape.scale() / shape.softCap() : 1.0)
        .set(at + 6, (double) shape.softCap())
        .set(at + 7, (capped ? shape.softCap() : shape.scale()) * LOG2_E);
    work.set(launch, at + 8, kernel, slots);
    launch.grid(blocks, 1, 1).on(stream);
  }

  private Sized kernel(AttentionShape shape) {
    for (int i = 0; i < kernels.size(); i++) {
      if (shape.headDim() <= kernels.get(i).headDim()) {
        return kernels.get(i);
      }
    }
    throw new IllegalArgumentException(
        "this device was reserved for heads of at most "
            + kernels.getLast().headDim()
            + " elements, not "
            + shape.headDim());
  }

  /** The most tiles of a step: a slice's rows begin a tile of their own. */
  private long tiles(int tokens, AttentionShape shape, Sized kernel) {
    long rows = (long) tokens * (shape.heads() / shape.kvHeads());
    return Math.ceilDiv(rows, kernel.wideRows()) + Math.min(tokens, slices);
  }
}
