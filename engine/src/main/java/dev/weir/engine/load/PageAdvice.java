package dev.weir.engine.load;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Tells the kernel that mapped file pages are no longer wanted: {@code madvise(MADV_DONTNEED)} (man
 * page madvise(2)). On a shared read-only mapping of a file nothing can be lost by it. On systems
 * other than Linux it does nothing, and pages leave when the kernel needs the memory.
 */
final class PageAdvice {

  private static final int MADV_DONTNEED = 4; // Linux, all architectures but alpha

  private static final Optional<MethodHandle> MADVISE = bindMadvise();
  private static final long PAGE_BYTES = pageBytes();

  private PageAdvice() {}

  /** Drops the pages that the segment, part of a file mapping, touches. */
  static void release(MemorySegment mapped) {
    if (MADVISE.isEmpty() || mapped.byteSize() == 0) {
      return;
    }
    // Outwards to whole pages: a mapping begins on a page, so this stays inside it, and a neighbour
    // that shares the page only has it read again from the page cache.
    long start = mapped.address() & -PAGE_BYTES;
    long length = mapped.address() + mapped.byteSize() - start;
    try {
      // Advice: its failure costs memory for a while and nothing else.
      int _ = (int) MADVISE.get().invokeExact(start, length, MADV_DONTNEED);
    } catch (Throwable e) {
      throw new AssertionError("madvise cannot throw", e);
    }
  }

  private static Optional<MethodHandle> bindMadvise() {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      return Optional.empty();
    }
    FunctionDescriptor signature =
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT);
    return libc().find("madvise").map(f -> Linker.nativeLinker().downcallHandle(f, signature));
  }

  private static long pageBytes() {
    if (MADVISE.isEmpty()) {
      return 1;
    }
    try {
      MethodHandle getpagesize =
          Linker.nativeLinker()
              .downcallHandle(
                  libc().findOrThrow("getpagesize"), FunctionDescriptor.of(ValueLayout.JAVA_INT));
      return (int) getpagesize.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError("getpagesize cannot throw", e);
    }
  }

  private static SymbolLookup libc() {
    return Linker.nativeLinker().defaultLookup();
  }
}
