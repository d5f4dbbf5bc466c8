package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceMemoryException;
import java.lang.invoke.MethodHandle;

/** Handles of the library's device functions, bound once, and the meaning of its codes. */
final class Native {
  private Native() {}

  static final int OK = 0;
  static final int NO_MEMORY = -1;
  static final int BAD_INDEX = -2;
  static final int UNSUPPORTED = -3;

  /** (threads, isa, matrix, long* opened). */
  static final MethodHandle OPEN =
      NativeLibrary.operation("weir_open", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);

  /** (device). */
  static final MethodHandle CLOSE = NativeLibrary.operation("weir_close", JAVA_LONG);

  /** () → weir_isa. */
  static final MethodHandle BEST_ISA = NativeLibrary.operation("weir_best_isa");

  /** () → 1 or 0. */
  static final MethodHandle HAS_AMX = NativeLibrary.operation("weir_has_amx");

  /** (bytes) → address or negated errno. */
  static final MethodHandle ALLOCATE =
      NativeLibrary.function("weir_allocate", JAVA_LONG, JAVA_LONG);

  /** (address, bytes). */
  static final MethodHandle FREE = NativeLibrary.operation("weir_free", JAVA_LONG, JAVA_LONG);

  /** (address, bytes, reserve) → what to end it by, or 0. */
  static final MethodHandle COMMIT =
      NativeLibrary.function("weir_commit", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  /** (what weir_commit returned). */
  static final MethodHandle COMMIT_END = NativeLibrary.operation("weir_commit_end", JAVA_LONG);

  /** The code of {@code WEIR_F32} and so on. */
  static int code(DType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      case I32 -> 3;
    };
  }

  /**
   * What a status other than {@link #OK} means.
   *
   * @param op the op and its shapes
   */
  static RuntimeException failure(String op, int status) {
    return switch (status) {
      case NO_MEMORY ->
          new DeviceMemoryException(
              "no memory for the scratch space of " + op + "; free some, or run smaller steps");
      case BAD_INDEX ->
          new IndexOutOfBoundsException(op + ": an index in its input buffers is out of range");
      case UNSUPPORTED ->
          new UnsupportedOperationException(op + " is not supported by this machine or build");
      default -> new IllegalStateException(op + " failed with status " + status);
    };
  }

  /** Throws the failure that a status stands for, if it is one. */
  static void check(int status, String op) {
    if (status != OK) {
      throw failure(op, status);
    }
  }

  /** A downcall declares Throwable but throws nothing of its own. */
  static RuntimeException unexpected(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    return new IllegalStateException("a native call threw", thrown);
  }
}
