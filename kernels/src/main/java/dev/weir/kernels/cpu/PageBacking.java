package dev.weir.kernels.cpu;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Memory that gets its pages before a step needs them: {@code commit.c} tells why. No more than the
 * machine, or the container, can spare: more would end the process where the memory might never
 * have been used.
 */
final class PageBacking {
  /** What {@link #begin} returns for memory whose pages come when they are touched. */
  static final long NONE = 0;

  private static final Logger LOG = System.getLogger(PageBacking.class.getName());
  private static final Path MEMORY = Path.of("/proc/meminfo");
  private static final long KIB = 1024;

  /** For the heap, and for other processes. */
  private static final int RESERVE_PART = 5;

  private static final long UNKNOWN = -1;

  /** When the first memory was asked for, less what was asked for since. */
  private long spareBytes = UNKNOWN;

  private long reserveBytes;

  /**
   * Begins to back memory in the background; warns where there is too little to spare.
   *
   * @param purpose named in the warning
   * @return for {@link #end}
   */
  long begin(long address, long bytes, String purpose) {
    if (spareBytes == UNKNOWN) {
      long available = availableBytes();
      reserveBytes = available / RESERVE_PART;
      spareBytes = available - reserveBytes;
    }
    if (bytes > spareBytes) {
      LOG.log(
          Level.WARNING,
          "%,d bytes for %s are more than the %,d that can be spared now: if all of it is used,"
                  .formatted(bytes, purpose, spareBytes)
              + " the system may end the process; ask for less, or free memory");
      return NONE;
    }
    spareBytes -= bytes;
    try {
      return (long) Native.COMMIT.invokeExact(address, bytes, reserveBytes);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  /** Ends it, done or not, before the memory is freed. */
  static void end(long begun) {
    if (begun == NONE) {
      return;
    }
    try {
      int status = (int) Native.COMMIT_END.invokeExact(begun);
      assert status == Native.OK;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  /** What can be used without swapping; in a container, what is left of its limit. */
  private static long availableBytes() {
    List<String> lines;
    try {
      lines = Files.readAllLines(MEMORY);
    } catch (IOException noSuchFile) {
      return 0;
    }
    long available = bytes(lines, "MemAvailable:");
    if (ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        && system.getTotalMemorySize() < bytes(lines, "MemTotal:")) {
      return Math.min(available, system.getFreeMemorySize());
    }
    return available;
  }

  /** From the lines of proc(5), meminfo; 0 where they do not tell. */
  static long bytes(List<String> lines, String what) {
    for (String line : lines) {
      if (line.startsWith(what)) {
        return KIB * Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return 0;
  }
}
