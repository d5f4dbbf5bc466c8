package dev.weir.server.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Asks the C library what the standard streams are; {@code System.console} knows only both at once.
 */
final class Terminal {
  static final int STANDARD_INPUT = 0;
  static final int STANDARD_ERROR = 2;

  private Terminal() {}

  /** Whether a file descriptor is a terminal; false where there is no {@code isatty}. */
  static boolean isTerminal(int fileDescriptor) {
    Linker linker = Linker.nativeLinker();
    Optional<MemorySegment> isatty = linker.defaultLookup().find("isatty");
    if (isatty.isEmpty()) {
      return false;
    }
    MethodHandle handle =
        linker.downcallHandle(
            isatty.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    try {
      return (int) handle.invokeExact(fileDescriptor) == 1;
    } catch (Throwable e) {
      throw new AssertionError("isatty throws nothing", e);
    }
  }
}
