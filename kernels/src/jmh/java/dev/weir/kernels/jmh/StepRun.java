package dev.weir.kernels.jmh;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * Steps of one shape over a BF16 cache that exceeds all processor caches: one layer per call, in
 * turn, as a forward pass visits them.
 */
final class StepRun implements AutoCloseable {
  private static final float EPSILON = 1e-6f;

  private final CpuDevice device = CpuDevice.open(Measured.threads());
  private final AttentionShape shape;
  private final int slices;
  private final int tokensPerSlice;
  private final int prefix;
  private final StepInputs step;
  private final KvArena cache;
  private final RotaryTable rotary;
  private final QkNorm norm;
  private final Buffer qkv;
  private final Buffer out;
  private final Measured measured;
  private int layer;

  /**
   * @param op the benchmark's name
   * @param parameter {@code model/heads/kvHeads/headDim/slices/prefix}: every slice has so many
   *     positions behind it
   * @param tokens of every slice
   */
  StepRun(String op, String parameter, int tokens) {
    String[] parts = parameter.split("/");
    int heads = Integer.parseInt(parts[1]);
    int kvHeads = Integer.parseInt(parts[2]);
    int headDim = Integer.parseInt(parts[3]);
    slices = Integer.parseInt(parts[4]);
    prefix = Integer.parseInt(parts[5]);
    tokensPerSlice = tokens;
    float scale = (float) (1 / Math.sqrt(headDim));
    shape =
        new AttentionShape(
            heads, kvHeads, headDim, scale, AttentionShape.NO_WINDOW, /* softCap= */ 0);

    int length = prefix + tokens;
    int width = (length + KvShape.BLOCK_TOKENS - 1) / KvShape.BLOCK_TOKENS;
    int blocks = slices * width;
    long layerBytes = new KvShape(1, kvHeads, headDim, DType.BF16).blockBytes() * blocks;
    int layers = Math.toIntExact(Ceilings.LEAST_READ_BYTES / layerBytes + 1);
    cache = device.allocateKv(new KvShape(layers, kvHeads, headDim, DType.BF16), blocks);
    fill(device, cache.memory());

    int total = slices * tokens;
    int[] positions = new int[total];
    int[] tokenSlices = new int[total];
    int[] offsets = new int[slices + 1];
    int[] lengths = new int[slices];
    int[] rows = new int[slices];
    int[] table = new int[blocks];
    for (int t = 0; t < total; t++) {
      positions[t] = prefix + t % tokens;
      tokenSlices[t] = t / tokens;
    }
    for (int s = 0; s < slices; s++) {
      offsets[s + 1] = (s + 1) * tokens;
      lengths[s] = length;
      rows[s] = s;
    }
    for (int b = 0; b < blocks; b++) {
      table[b] = b;
    }
    Buffer none = ints(0);
    step =
        new StepInputs(
            none,
            none,
            ints(positions),
            ints(tokenSlices),
            ints(offsets),
            ints(lengths),
            ints(rows),
            ints(table),
            width,
            none,
            null);
    step.counts(total, slices, 0);
    Buffer angles = floats(length * (headDim / 2));
    rotary = new RotaryTable(angles, angles, length, headDim);
    norm = new QkNorm(floats(headDim), floats(headDim), EPSILON);
    qkv = floats(total * shape.qkvColumns());
    out = floats(total * heads * headDim);
    String key = op + ":" + parameter + ":" + tokens;
    measured = new Measured(device, cache.memory(), DType.BF16, key);
  }

  void before() {
    measured.before();
  }

  void afterAttention() {
    double keysAndValues = 2.0 * shape.kvHeads() * shape.headDim() * DType.BF16.bytes();
    double pairs = slices * (tokensPerSlice * (prefix + (tokensPerSlice + 1) / 2.0));
    measured.after(
        slices * (prefix + tokensPerSlice) * keysAndValues,
        4 * pairs * shape.heads() * shape.headDim());
  }

  void afterRotation() {
    double tokens = (double) slices * tokensPerSlice;
    double rotated = (shape.heads() + shape.kvHeads()) * shape.headDim();
    // Norm (3 per element) and rotation (3 per element); the row is read and its queries written.
    measured.after(tokens * 4.0 * shape.qkvColumns(), 6 * tokens * rotated);
  }

  void attention() {
    device.kernels().attention(step, shape, qkv, cache, nextLayer(), out);
    measured.called();
  }

  void rotateAndCache() {
    device.kernels().rotateAndCache(step, shape, norm, rotary, qkv, cache, nextLayer());
    measured.called();
  }

  private int nextLayer() {
    layer = (layer + 1) % cache.shape().layers();
    return layer;
  }

  private Buffer ints(int... values) {
    Buffer buffer = device.allocate(4L * values.length, "benchmark input");
    device.write(buffer, 0, MemorySegment.ofArray(values));
    return buffer;
  }

  private Buffer floats(int count) {
    float[] values = new float[count];
    var random = new Random(count);
    for (int i = 0; i < count; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    Buffer buffer = device.allocate(4L * count, "benchmark input");
    device.write(buffer, 0, MemorySegment.ofArray(values));
    return buffer;
  }

  /** Values of BF16 between -1/2 and 1/2, one piece of random ones over and over. */
  static void fill(CpuDevice device, Buffer memory) {
    short[] piece = new short[1 << 20];
    var random = new Random(3);
    for (int i = 0; i < piece.length; i++) {
      piece[i] = (short) (Float.floatToRawIntBits(random.nextFloat() - 0.5f) >>> 16);
    }
    MemorySegment source = MemorySegment.ofArray(piece);
    for (long at = 0; at < memory.bytes(); at += source.byteSize()) {
      long count = Math.min(source.byteSize(), memory.bytes() - at);
      device.write(memory, at, source.asSlice(0, count));
    }
  }

  @Override
  public void close() {
    device.close();
  }
}
