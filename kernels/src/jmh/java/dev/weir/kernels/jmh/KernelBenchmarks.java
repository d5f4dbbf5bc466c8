package dev.weir.kernels.jmh;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * Runs the benchmarks (JMH's command line) and prints one Markdown row each: median time, and the
 * median of its ratios to the ceilings that were measured around the same iterations.
 */
public final class KernelBenchmarks {
  private KernelBenchmarks() {}

  /** JMH's options; {@code -p tokens=1 LinearBenchmark} for a part. */
  public static void main(String... arguments)
      throws CommandLineOptionException, RunnerException, IOException {
    Path ceilings = Files.createTempFile("weir-ceilings", ".txt");
    String threads = System.getProperty("weir.jmh.threads", "2");
    var options =
        new OptionsBuilder()
            .parent(new CommandLineOptions(arguments))
            .jvmArgsAppend(
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-D" + Measured.FILE_PROPERTY + "=" + ceilings,
                "-Dweir.jmh.threads=" + threads)
            .build();
    Collection<RunResult> results = new Runner(options).run();
    List<String> lines = Files.readAllLines(ceilings);
    PrintStream out = System.out;
    try (var device = CpuDevice.open(Integer.parseInt(threads))) {
      out.printf("%n%s; %s%n%n", processor(), device.name());
    }
    out.println(
        "| op | shape | tokens | µs | GB/s | of read ceiling | GFLOP/s | of arithmetic ceiling |"
            + " ceilings: GB/s, GFLOP/s |");
    out.println("|---|---|---|---|---|---|---|---|---|");
    for (RunResult result : results) {
      out.println(row(result, lines));
    }
    Files.delete(ceilings);
  }

  private static String row(RunResult result, List<String> lines) {
    String name = result.getParams().getBenchmark();
    String op = name.substring(name.lastIndexOf('.') + 1);
    String shape = result.getParams().getParam("shape");
    String tokens = result.getParams().getParam("tokens");
    String key = op + ":" + shape + ":" + tokens;
    double[][] measured =
        lines.stream()
            .filter(line -> line.startsWith(key + " "))
            .map(line -> Stream.of(line.split(" ")).skip(1).mapToDouble(Double::parseDouble))
            .map(numbers -> numbers.toArray())
            .toArray(double[][]::new);
    List<Double> micros = new ArrayList<>();
    for (IterationResult iteration :
        result.getBenchmarkResults().iterator().next().getIterationResults()) {
      micros.add(iteration.getPrimaryResult().getScore());
    }
    // The file has the warm-up's lines too, before those of the measured iterations.
    int skipped = measured.length - micros.size();
    double[] read = new double[micros.size()];
    double[] arithmetic = new double[micros.size()];
    for (int i = 0; i < micros.size(); i++) {
      double seconds = micros.get(i) / 1e6;
      read[i] = measured[skipped + i][0] / seconds / measured[skipped + i][2];
      arithmetic[i] = measured[skipped + i][1] / seconds / measured[skipped + i][3];
    }
    double time = median(micros.stream().mapToDouble(Double::doubleValue).toArray());
    double bytes = measured[0][0];
    double flops = measured[0][1];
    return String.format(
        "| %s | %s | %s | %.1f | %.1f | %.0f %% | %.1f | %.0f %% | %.1f, %.0f |",
        op,
        shape,
        tokens,
        time,
        bytes / time / 1e3,
        100 * median(read),
        flops / time / 1e3,
        100 * median(arithmetic),
        median(Arrays.stream(measured).mapToDouble(numbers -> numbers[2]).toArray()) / 1e9,
        median(Arrays.stream(measured).mapToDouble(numbers -> numbers[3]).toArray()) / 1e9);
  }

  private static double median(double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static String processor() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse("unknown processor");
    }
  }

  /** A part of a buffer. */
  static Buffer slice(Buffer buffer, long offset, long bytes) {
    return switch (buffer) {
      case HostBuffer host -> new HostBuffer(host.segment().asSlice(offset, bytes));
    };
  }

  /** What JMH's set-up has put there. */
  static <T> T present(@Nullable T value) {
    return Objects.requireNonNull(value, "set up by JMH");
  }
}
