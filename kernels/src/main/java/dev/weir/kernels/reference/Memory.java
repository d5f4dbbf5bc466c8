package dev.weir.kernels.reference;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.HostBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Rows of kernel buffers as Java floats. Offsets and counts are in elements. */
final class Memory {
  private Memory() {}

  static MemorySegment segment(Buffer buffer) {
    return switch (buffer) {
      case HostBuffer host -> host.segment();
      case DeviceBuffer device ->
          throw new IllegalArgumentException("memory of another device: " + device);
    };
  }

  static int readInt(Buffer buffer, long index) {
    return segment(buffer).getAtIndex(ValueLayout.JAVA_INT, index);
  }

  static float readFloat(Buffer buffer, long index) {
    return segment(buffer).getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  static void read(Buffer source, long offset, float[] destination, int count) {
    read(source, offset, destination, 0, count);
  }

  static void read(Buffer source, long offset, float[] destination, int at, int count) {
    MemorySegment.copy(
        segment(source), ValueLayout.JAVA_FLOAT, offset * Float.BYTES, destination, at, count);
  }

  static void write(float[] source, int at, int count, Buffer destination, long offset) {
    MemorySegment.copy(
        source, at, segment(destination), ValueLayout.JAVA_FLOAT, offset * Float.BYTES, count);
  }

  /** Widens elements of the given type; exact for every type. */
  static void widen(DType type, Buffer source, long offset, float[] destination, int count) {
    MemorySegment from = segment(source);
    switch (type) {
      case F32 -> read(source, offset, destination, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          destination[i] = bf16ToFloat(from.getAtIndex(ValueLayout.JAVA_SHORT, offset + i));
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          destination[i] =
              Float.float16ToFloat(from.getAtIndex(ValueLayout.JAVA_SHORT, offset + i));
        }
      }
      case I32 -> throw new IllegalArgumentException("integers are not widened");
    }
  }

  /** Rounds to the given type, to nearest, ties to even. */
  static void narrow(
      DType type, float[] source, int at, int count, Buffer destination, long offset) {
    MemorySegment to = segment(destination);
    switch (type) {
      case F32 -> write(source, at, count, destination, offset);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          to.setAtIndex(ValueLayout.JAVA_SHORT, offset + i, floatToBf16(source[at + i]));
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          to.setAtIndex(ValueLayout.JAVA_SHORT, offset + i, Float.floatToFloat16(source[at + i]));
        }
      }
      case I32 -> throw new IllegalArgumentException("integers are not rounded");
    }
  }

  static float bf16ToFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  static short floatToBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short)
          ((bits >>> 16) | 0x40); // Stays a NaN even if its payload was in the lower half.
    }
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  /** The array, or a longer one: scratch that grows until the largest call was seen. */
  static float[] atLeast(float[] scratch, int count) {
    return scratch.length >= count ? scratch : new float[Math.max(count, 2 * scratch.length)];
  }

  /**
   * The dot product of two rows, in eight interleaved partial sums folded in one order: fast enough
   * without vectors, and a function of the two rows alone.
   */
  static float dot(float[] a, int atA, float[] b, int atB, int count) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    float s4 = 0;
    float s5 = 0;
    float s6 = 0;
    float s7 = 0;
    int i = 0;
    for (; i + 8 <= count; i += 8) {
      s0 += a[atA + i] * b[atB + i];
      s1 += a[atA + i + 1] * b[atB + i + 1];
      s2 += a[atA + i + 2] * b[atB + i + 2];
      s3 += a[atA + i + 3] * b[atB + i + 3];
      s4 += a[atA + i + 4] * b[atB + i + 4];
      s5 += a[atA + i + 5] * b[atB + i + 5];
      s6 += a[atA + i + 6] * b[atB + i + 6];
      s7 += a[atA + i + 7] * b[atB + i + 7];
    }
    for (; i < count; i++) {
      s0 += a[atA + i] * b[atB + i];
    }
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
  }
}
