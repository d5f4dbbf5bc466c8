package dev.weir.kernels.cuda;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.LinearWeight;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Launches {@code linear.cu}: one of its kernels, chosen by how many tokens there are. All give the
 * same bits. Sizes of buffers were checked.
 */
final class CudaLinear {
  /** One of the kernels, and the most tokens that it takes. */
  private record Sized(int tokens, Launch launch) {}

  private static final int MEDIUM = 128;
  private static final int LARGE = 256;

  /**
   * How long a block of {@code linear_128} and {@code linear_256} takes for the same number of
   * inputs: half the products, but more than half the shared memory to read.
   */
  private static final int MEDIUM_TIME = 5;

  private static final int LARGE_TIME = 8;

  /** Of a block of {@code linear_128} with one segment that meets the others in memory. */
  private static final int SPLIT_TIME = 6;

  /** The most tokens whose segments meet in memory: bounds the scratch. */
  static final int MOST_SPLIT_TOKENS = 2 * MEDIUM;

  /** Where segments are more than one, N times their number is below this (PackedWeights). */
  private static final int MOST_SPLIT_OUTPUTS =
      2 * PackedWeights.SPREAD_OUTPUTS + PackedWeights.MAX_SEGMENTS * PackedWeights.OUTPUTS;

  /** A counter for each tile of a launch whose segments meet. */
  private static final long ARRIVALS_BYTES = 4096;

  /** What the constructor's scratch memory, which was zeroed, must hold: 33 MiB. */
  static final long SCRATCH_BYTES =
      ARRIVALS_BYTES + (long) MOST_SPLIT_TOKENS * MOST_SPLIT_OUTPUTS * Float.BYTES;

  private static final int TILE_OUTPUTS = 16;
  private static final int WARPS = 8;
  private static final int ARGUMENTS = 12;

  private final Stream stream;
  private final int multiprocessors;

  /** All segments of a few outputs meet in a block; ascending. */
  private final List<Sized> few;

  /** A block has one segment of many outputs; ascending. */
  private final List<Sized> split;

  private final Launch medium;
  private final Launch large;

  /**
   * @param multiprocessors how many blocks run at a time
   * @param activation the type of weights and activations
   * @param scratch {@link #SCRATCH_BYTES}, zeroed, for launches in stream order alone
   */
  CudaLinear(
      Module module, Stream stream, int multiprocessors, DType activation, DeviceBuffer scratch) {
    this.stream = stream;
    this.multiprocessors = multiprocessors;
    few = sized(module, activation, scratch, 8, 16);
    split = sized(module, activation, scratch, 32, 64);
    medium = launch(module, MEDIUM, activation, scratch);
    // Where shared memory has no room for it, LARGE is not loaded.
    large = fits(module, LARGE, activation) ? launch(module, LARGE, activation, scratch) : medium;
  }

  private static List<Sized> sized(
      Module module, DType activation, DeviceBuffer scratch, int... sizes) {
    List<Sized> kernels = new ArrayList<>();
    for (int tokens : sizes) {
      kernels.add(new Sized(tokens, launch(module, tokens, activation, scratch)));
    }
    return kernels;
  }

  private static String kernel(int tokens, DType activation) {
    return "linear_" + tokens + (activation == DType.F16 ? "_f16" : "_bf16");
  }

  private static boolean fits(Module module, int tokens, DType activation) {
    int most =
        module
            .context()
            .attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN());
    return module.kernel(kernel(tokens, activation)).sharedBytes() <= most;
  }

  private static Launch launch(Module module, int tokens, DType activation, DeviceBuffer scratch) {
    return new Launch(module, kernel(tokens, activation), ARGUMENTS)
        .set(4, scratch.address() + ARRIVALS_BYTES)
        .set(5, scratch.address());
  }

  /** {@code out[t] = weight · in[t] + bias}, rounded to the type of activations. */
  void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
    multiply(rows, in, weight, out, false);
  }

  /** The same, in F32. */
  void logits(int rows, Buffer in, LinearWeight weight, Buffer out) {
    multiply(rows, in, weight, out, true);
  }

  private void multiply(int rows, Buffer in, LinearWeight weight, Buffer out, boolean floats) {
    Buffer bias = weight.bias();
    choose(rows, weight)
        .set(0, in.address())
        .set(1, weight.packed().address())
        .set(2, bias == null ? 0 : bias.address())
        .set(3, out.address())
        .set(6, rows)
        .set(7, weight.rows())
        .set(8, weight.columns())
        .set(9, PackedWeights.segmentColumns(weight.rows(), weight.columns()))
        .set(10, floats ? 1 : 0)
        .on(stream);
  }

  private Launch choose(int rows, LinearWeight weight) {
    int segments = PackedWeights.segments(weight.rows(), weight.columns());
    Launch launch = smallest(few, rows);
    if (launch != null) {
      // A block's warps are shared out among segments, to a power of two, and tiles of outputs.
      int slots = segments == 1 ? 1 : Integer.highestOneBit(segments - 1) * 2;
      int blockOutputs = TILE_OUTPUTS * WARPS / slots;
      return launch.grid(Math.ceilDiv(weight.rows(), blockOutputs), 1, 1);
    }
    int tiles = Math.ceilDiv(weight.rows(), PackedWeights.OUTPUTS);
    launch = smallest(split, rows);
    return launch == null ? many(rows, tiles, segments) : launch.grid(tiles, segments, 1);
  }

  private static @Nullable Launch smallest(List<Sized> kernels, int rows) {
    for (int i = 0; i < kernels.size(); i++) {
      if (rows <= kernels.get(i).tokens()) {
        return kernels.get(i).launch();
      }
    }
    return null;
  }

  /** The kernel and grid that should end first, by how often the multiprocessors are filled. */
  private Launch many(int rows, int tiles, int segments) {
    int mediumBlocks = tiles * Math.ceilDiv(rows, MEDIUM);
    int largeBlocks = tiles * Math.ceilDiv(rows, LARGE);
    long mediumTime = (long) segments * waves(mediumBlocks) * MEDIUM_TIME;
    long largeTime = (long) segments * waves(largeBlocks) * LARGE_TIME;
    long splitTime = (long) waves(mediumBlocks * segments) * SPLIT_TIME;
    boolean splits = segments > 1 && rows <= MOST_SPLIT_TOKENS && splitTime < mediumTime;
    if (large != medium && largeTime < (splits ? splitTime : mediumTime)) {
      return large.grid(largeBlocks, 1, 1);
    }
    return medium.set(11, splits ? 1 : 0).grid(mediumBlocks, splits ? segments : 1, 1);
  }

  private int waves(int blocks) {
    return Math.ceilDiv(blocks, multiprocessors);
  }
}
