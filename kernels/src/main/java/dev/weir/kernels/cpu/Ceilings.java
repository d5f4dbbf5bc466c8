package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.LongSupplier;

/**
 * What this machine can do at most, measured with a device's own threads and instruction level, so
 * that a benchmark can print an op beside it. Measured at the same moment, since a shared host's
 * ceilings move.
 */
public final class Ceilings {
  /** Below this a measurement would be of the caches: many times the largest ones. */
  public static final long LEAST_READ_BYTES = 512L << 20;

  /** Whole lines per turn of the reading loops. */
  private static final long READ_MULTIPLE = 1024;

  /** Tens of milliseconds per thread: long against starting the threads. */
  private static final long FLOP_ROUNDS = 100_000;

  private static final double NANOSECONDS = 1e9;

  /** (device, memory, bytes, uint64_t* sink). */
  private static final MethodHandle READ =
      NativeLibrary.operation("weir_ceiling_read", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  /** (device, type, rounds, int64_t* operations). */
  private static final MethodHandle FLOPS =
      NativeLibrary.operation("weir_ceiling_flops", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);

  private Ceilings() {}

  /**
   * Bytes per second of reading memory once with all threads.
   *
   * @param clock nanoseconds: of the wall, or of the calling thread's processor time where the
   *     device has one thread and others share the machine
   * @param memory at least {@link #LEAST_READ_BYTES} that were written before: pages that were
   *     never touched share one page of zeros
   */
  public static double readBytesPerSecond(CpuDevice device, Buffer memory, LongSupplier clock) {
    if (memory.bytes() < LEAST_READ_BYTES) {
      throw new IllegalArgumentException(
          "reading " + memory.bytes() + " bytes would measure caches, not memory");
    }
    long bytes = memory.bytes() / READ_MULTIPLE * READ_MULTIPLE;
    long address = Checks.address(memory, bytes, 1, "ceiling", "memory");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment sink = arena.allocate(JAVA_LONG);
      long start = clock.getAsLong();
      int status = (int) READ.invokeExact(device.handle(), address, bytes, sink.address());
      long time = clock.getAsLong() - start;
      Native.check(status, "measuring read bandwidth");
      return bytes * NANOSECONDS / time;
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  /**
   * Floating-point operations per second, all threads, registers only, on the unit that {@code
   * linear} uses for weights of this type.
   *
   * @param clock as above
   */
  public static double flopsPerSecond(CpuDevice device, DType weights, LongSupplier clock) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment operations = arena.allocate(JAVA_LONG);
      long start = clock.getAsLong();
      int status =
          (int)
              FLOPS.invokeExact(
                  device.handle(), Native.code(weights), FLOP_ROUNDS, operations.address());
      long time = clock.getAsLong() - start;
      Native.check(status, "measuring arithmetic");
      return operations.get(JAVA_LONG, 0) * NANOSECONDS / time;
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }
}
