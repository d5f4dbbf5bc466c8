package dev.weir.kernels.jmh;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/**
 * The ceilings around a benchmark's iterations, written by the forked JVM to a file that {@link
 * KernelBenchmarks} joins with JMH's results: one line per iteration, {@code key bytes flops
 * readBytesPerSecond flopsPerSecond}.
 */
final class Measured {
  /** The file's path. */
  static final String FILE_PROPERTY = "weir.jmh.ceilings";

  private final CpuDevice device;
  private final Buffer memory;
  private final DType type;
  private final String key;
  private double read;
  private double flops;

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

  /** Measures before an iteration. */
  void before() {
    read = Ceilings.readBytesPerSecond(device, memory);
    flops = Ceilings.flopsPerSecond(device, type);
  }

  /**
   * Measures again after it, and writes the means.
   *
   * @param opBytes what one op must read at least
   * @param opFlops the operations of one op
   */
  void after(double opBytes, double opFlops) {
    double meanRead = (read + Ceilings.readBytesPerSecond(device, memory)) / 2;
    double meanFlops = (flops + Ceilings.flopsPerSecond(device, type)) / 2;
    String line =
        String.format(Locale.ROOT, "%s %e %e %e %e%n", key, opBytes, opFlops, meanRead, meanFlops);
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
