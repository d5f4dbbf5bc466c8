package dev.weir.kernels.jmh;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * The ceilings around a benchmark's iterations and the iteration's own time, written by the forked
 * JVM to a file that {@link KernelBenchmarks} reads: one line per iteration, {@code key bytes flops
 * seconds readBytesPerSecond flopsPerSecond}.
 *
 * <p>With one thread all of it is in the thread's processor time, which other work on the machine
 * changes little; with more it is wall time, and the machine must be idle.
 */
final class Measured {
  /** The file's path. */
  static final String FILE_PROPERTY = "weir.jmh.ceilings";

  /** The device's threads. */
  static final String THREADS_PROPERTY = "weir.jmh.threads";

  private final CpuDevice device;
  private final Buffer memory;
  private final DType type;
  private final String key;
  private final LongSupplier clock =
      threads() == 1
          ? ManagementFactory.getThreadMXBean()::getCurrentThreadCpuTime
          : System::nanoTime;
  private double read;
  private double flops;
  private long start;
  private long calls;

  /**
   * @param memory what is read to measure bandwidth, {@link Ceilings#LEAST_READ_BYTES} or more
   * @param type the type whose arithmetic unit is measured
   * @param key benchmark and parameters, as {@link KernelBenchmarks} spells them
   */
  Measured(CpuDevice device, Buffer memory, DType type, String key) {
    this.device = device;
    this.memory = memory;
    this.type = type;
    this.key = key;
  }

  static int threads() {
    return Integer.getInteger(THREADS_PROPERTY, 2);
  }

  /** Measures before an iteration. */
  void before() {
    read = Ceilings.readBytesPerSecond(device, memory, clock);
    flops = Ceilings.flopsPerSecond(device, type, clock);
    calls = 0;
    start = clock.getAsLong();
  }

  /** Counts a call of the op. */
  void called() {
    calls++;
  }

  /**
   * Measures again after it, and writes the means.
   *
   * @param opBytes what one op must read at least
   * @param opFlops the operations of one op
   */
  void after(double opBytes, double opFlops) {
    double seconds = (clock.getAsLong() - start) / 1e9 / calls;
    double meanRead = (read + Ceilings.readBytesPerSecond(device, memory, clock)) / 2;
    double meanFlops = (flops + Ceilings.flopsPerSecond(device, type, clock)) / 2;
    String line =
        String.format(
            Locale.ROOT,
            "%s %e %e %e %e %e%n",
            key,
            opBytes,
            opFlops,
            seconds,
            meanRead,
            meanFlops);
    try {
      Files.writeString(
          Path.of(System.getProperty(FILE_PROPERTY)),
          line,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
