package dev.weir.kernels.cpu;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.HostBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What is checked before a downcall, because a fault in native code ends the process. Nothing is
 * allocated where all is well.
 */
final class Checks {
  private Checks() {}

  /**
   * The address of a buffer that holds at least {@code count} elements.
   *
   * @throws IllegalArgumentException if it is shorter, or was freed
   */
  static long address(Buffer buffer, long count, int elementBytes, String op, String what) {
    long needed = Math.multiplyExact(count, (long) elementBytes);
    if (buffer.bytes() < needed) {
      throw new IllegalArgumentException(
          op + ": " + what + " needs " + needed + " bytes, its buffer has " + buffer.bytes());
    }
    if (buffer instanceof HostBuffer host && !host.segment().scope().isAlive()) {
      throw new IllegalArgumentException(op + ": the buffer of " + what + " was freed");
    }
    return buffer.address();
  }

  /** The same, 0 for null. */
  static long optionalAddress(
      @Nullable Buffer buffer, long count, int elementBytes, String op, String what) {
    return buffer == null ? 0 : address(buffer, count, elementBytes, op, what);
  }

  /**
   * @throws IllegalArgumentException if the value is negative
   */
  static void notNegative(int value, String op, String what) {
    if (value < 0) {
      throw new IllegalArgumentException(op + ": " + what + " is " + value);
    }
  }

  /**
   * @throws IllegalArgumentException if the value is less than 1
   */
  static void positive(int value, String op, String what) {
    if (value < 1) {
      throw new IllegalArgumentException(op + ": " + what + " is " + value);
    }
  }
}
