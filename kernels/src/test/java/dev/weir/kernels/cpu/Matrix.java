package dev.weir.kernels.cpu;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/** A row-major matrix of values that its element type holds exactly. */
final class Matrix {
  private final DType type;
  private final int rows;
  private final int columns;
  private final float[] values;

  Matrix(DType type, int rows, int columns, float[] values) {
    this.type = type;
    this.rows = rows;
    this.columns = columns;
    this.values = values;
  }

  int rows() {
    return rows;
  }

  int columns() {
    return columns;
  }

  /** The elements, row-major. */
  float[] values() {
    return values;
  }

  static Matrix random(RandomGenerator random, DType type, int rows, int columns) {
    float[] values = new float[Math.multiplyExact(rows, columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = round((float) random.nextGaussian(), type);
    }
    return new Matrix(type, rows, columns, values);
  }

  /** Nearest even in the type. */
  static float round(float value, DType type) {
    return switch (type) {
      case F32 -> value;
      case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
      case BF16 -> Float.intBitsToFloat(bf16(value) << 16);
      case I32 -> throw new IllegalArgumentException("not a float type");
    };
  }

  private static int bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
  }

  float at(int row, int column) {
    return values[row * columns + column];
  }

  /** Rows {@code first … first + count - 1} as stored in a file of this type. */
  MemorySegment encode(Arena arena, int first, int count) {
    MemorySegment memory = arena.allocate((long) count * columns * type.bytes(), 64);
    for (int i = 0; i < count * columns; i++) {
      float value = values[first * columns + i];
      switch (type) {
        case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        case F16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
        case BF16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) bf16(value));
        case I32 -> throw new IllegalArgumentException("not a float type");
      }
    }
    return memory;
  }

  /** This matrix as a weight of the device. */
  LinearWeight pack(Device device) {
    LinearWeight weight = device.allocateLinear(type, rows, columns, "test weight");
    try (Arena arena = Arena.ofConfined()) {
      device.pack(weight, 0, rows, encode(arena, 0, rows));
    }
    return weight;
  }

  /** F32 values in the device's memory. */
  static Buffer upload(Device device, float... values) {
    Buffer buffer = device.allocate(4L * values.length, "test input");
    device.write(buffer, 0, MemorySegment.ofArray(values));
    return buffer;
  }

  /** F32 values out of the device's memory. */
  static float[] download(Device device, Buffer buffer, int count) {
    float[] values = new float[count];
    device.read(buffer, 0, MemorySegment.ofArray(values));
    return values;
  }
}
