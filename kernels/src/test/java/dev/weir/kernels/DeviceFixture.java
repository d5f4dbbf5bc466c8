package dev.weir.kernels;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** An open device, and Java arrays in and out of its buffers. */
final class DeviceFixture implements AutoCloseable {
  /** More than any test of an op asks for. */
  private static final int MAX_TOKENS = 4608;

  private static final int MAX_SLICES = 64;
  private static final int MAX_SAMPLES = 8192;
  private static final int MAX_POSITIONS = RealShapesTest.REAL ? 32 * 1024 : 4096;
  private static final int MAX_VOCABULARY = RealShapesTest.REAL ? 160 * 1024 : 64 * 1024;
  private static final int MAX_HEADS = RealShapesTest.REAL ? 32 : 16;
  private static final AttentionShape WIDEST =
      new AttentionShape(MAX_HEADS, MAX_HEADS / 4, 256, 1, AttentionShape.NO_WINDOW, 0);

  final Device device;
  final Kernels kernels;
  final DType activation;
  final DType kv;

  DeviceFixture(Device device, DType weights) {
    this.device = device;
    activation = device.activationType(weights);
    device.reserve(
        new StepLimits(
            MAX_TOKENS,
            MAX_SLICES,
            MAX_SAMPLES,
            MAX_POSITIONS,
            WIDEST,
            MAX_VOCABULARY,
            activation));
    kernels = device.kernels();
    kv = device.kvType(weights);
  }

  Buffer floats(float... values) {
    return buffer(DType.F32, values);
  }

  /** Integers that say what a step is: kept where a device can check them. */
  Buffer ints(int... values) {
    long bytes = (long) Integer.BYTES * Math.max(values.length, 1);
    Staging staging = device.staging(bytes, "test integers");
    MemorySegment.copy(values, 0, staging.host(), JAVA_INT, 0, values.length);
    device.upload(staging, 0, bytes);
    return staging.device();
  }

  Buffer activations(float... values) {
    return buffer(activation, values);
  }

  Buffer activations(int count) {
    return device.allocate((long) Math.max(count, 1) * activation.bytes(), "test activations");
  }

  float[] readActivations(Buffer buffer, int count) {
    return read(activation, buffer, count);
  }

  float[] readFloats(Buffer buffer, int count) {
    return read(DType.F32, buffer, count);
  }

  /** What the device keeps of the values in an activation. */
  float[] rounded(float[] values) {
    return rounded(activation, values);
  }

  LinearWeight weight(DType type, int rows, int columns, float[] values) {
    LinearWeight weight = device.allocateLinear(type, rows, columns, "test weight");
    byte[] bytes = encode(type, values);
    try (Arena arena = Arena.ofConfined()) {
      device.pack(weight, 0, rows, arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes));
    }
    return weight;
  }

  static float[] rounded(DType type, float[] values) {
    return decode(type, encode(type, values));
  }

  static float[] normals(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private Buffer buffer(DType type, float[] values) {
    byte[] bytes = encode(type, values);
    Buffer buffer = device.allocate(Math.max(bytes.length, 1), "test values");
    device.write(buffer, 0, MemorySegment.ofArray(bytes));
    return buffer;
  }

  private float[] read(DType type, Buffer buffer, int count) {
    byte[] bytes = new byte[count * type.bytes()];
    device.read(buffer, 0, MemorySegment.ofArray(bytes));
    return decode(type, bytes);
  }

  int[] readInts(Buffer buffer, int count) {
    int[] values = new int[count];
    device.read(buffer, 0, MemorySegment.ofArray(values));
    return values;
  }

  static byte[] encode(DType type, float[] values) {
    byte[] bytes = new byte[values.length * type.bytes()];
    MemorySegment to = MemorySegment.ofArray(bytes);
    for (int i = 0; i < values.length; i++) {
      switch (type) {
        case F32 -> to.setAtIndex(JAVA_FLOAT.withByteAlignment(1), i, values[i]);
        case F16 ->
            to.setAtIndex(JAVA_SHORT.withByteAlignment(1), i, Float.floatToFloat16(values[i]));
        case BF16 -> {
          int bits = Float.floatToIntBits(values[i]);
          int even = (bits >>> 16) & 1;
          short upper = (short) ((bits + 0x7FFF + even) >>> 16);
          to.setAtIndex(JAVA_SHORT.withByteAlignment(1), i, upper);
        }
        case I32 -> to.setAtIndex(JAVA_INT.withByteAlignment(1), i, (int) values[i]);
      }
    }
    return bytes;
  }

  static float[] decode(DType type, byte[] bytes) {
    MemorySegment from = MemorySegment.ofArray(bytes);
    float[] values = new float[bytes.length / type.bytes()];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (type) {
            case F32 -> from.getAtIndex(JAVA_FLOAT.withByteAlignment(1), i);
            case F16 -> Float.float16ToFloat(from.getAtIndex(JAVA_SHORT.withByteAlignment(1), i));
            case BF16 ->
                Float.intBitsToFloat(from.getAtIndex(JAVA_SHORT.withByteAlignment(1), i) << 16);
            case I32 -> from.getAtIndex(JAVA_INT.withByteAlignment(1), i);
          };
    }
    return values;
  }

  @Override
  public void close() {
    device.close();
  }
}
