package dev.weir.trainer;

/** The upper half of a float: 8 bits of exponent, 7 of fraction. */
final class Bfloat16 {
  private static final int DROPPED_BITS = 16;

  private Bfloat16() {}

  /** Returns the bits of the nearest bfloat16; halfway cases go to the even one. */
  static short bits(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> DROPPED_BITS) | 0x40);
    }
    int roundToEven = 0x7FFF + ((bits >>> DROPPED_BITS) & 1);
    return (short) ((bits + roundToEven) >>> DROPPED_BITS);
  }

  /** Returns the value that the bits stand for. */
  static float value(short bits) {
    return Float.intBitsToFloat(bits << DROPPED_BITS);
  }

  /** Returns the value rounded to the nearest bfloat16. */
  static float round(float value) {
    return value(bits(value));
  }

  /** Returns the values, each rounded. */
  static float[] round(float[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = round(values[i]);
    }
    return rounded;
  }

  /** Returns the number of elements of a shape. */
  static long elements(long[] shape) {
    long elements = 1;
    for (long size : shape) {
      elements *= size;
    }
    return elements;
  }
}
