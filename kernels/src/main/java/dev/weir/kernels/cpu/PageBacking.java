package dev.weir.kernels.cpu;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Memory that gets its pages before a step needs them: {@code commit.c} tells why. Only what the
 * machine had to spare when the first of it was asked for: more would end the process where the
 * memory might never have been used.
 */
final class PageBacking {
  /** What {@link #begin} returns for memory whose pages come when they are touched. */
  static final long NONE = 0;

  private static final Logger LOG = System.getLogger(PageBacking.class.getName());
  private static final Path MEMORY = Path.of("/proc/meminfo");
  private static final long KIB = 1024;
  private static final long UNKNOWN = -1;

  private long spareBytes = UNKNOWN;

  /**
   * Begins to back memory in the background; warns where there is too little to spare.
   *
   * @param purpose named in the warning
   * @return for {@link #end}
   */
  long begin(long address, long bytes, String purpose) {
    if (spareBytes == UNKNOWN) {
      spareBytes = availableBytes();
    }
    if (bytes > spareBytes) {
      LOG.log(
          Level.WARNING,
          "%,d bytes for %s are more than the %,d this machine can spare now: if all of it is used,"
                  .formatted(bytes, purpose, spareBytes)
              + " the system may end the process; ask for less, or free memory");
      return NONE;
    }
    spareBytes -= bytes;
    try {
      return (long) Native.COMMIT.invokeExact(address, bytes);
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

  /** What can be used without swapping, but no more than a container may have. */
  private static long availableBytes() {
    long limit = Long.MAX_VALUE;
    if (ManagementFactory.getOperatingSystemMXBean()
        instanceof com.sun.management.OperatingSystemMXBean system) {
      limit = system.getTotalMemorySize();
    }
    try {
      return Math.min(limit, availableBytes(Files.readAllLines(MEMORY)));
    } catch (IOException noSuchFile) {
      return limit;
    }
  }

  /** From the lines of proc(5), meminfo; 0 where they do not tell. */
  static long availableBytes(List<String> lines) {
    for (String line : lines) {
      if (line.startsWith("MemAvailable:")) {
        return KIB * Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return 0;
  }
}
