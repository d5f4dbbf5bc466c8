package dev.weir.kernels.jmh;

import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
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
    Path file = Files.createTempFile("weir-ceilings", ".txt");
    var options =
        new OptionsBuilder()
            .parent(new CommandLineOptions(arguments))
            .jvmArgsAppend(
                "-D" + Measured.FILE_PROPERTY + "=" + file,
                "-D" + Measured.THREADS_PROPERTY + "=" + Measured.threads())
            .build();
    var results = new Runner(options).run();
    List<Iteration> iterations = Files.readAllLines(file).stream().map(Iteration::parse).toList();
    Files.delete(file);
    PrintStream out = System.out;
    try (var device = CpuDevice.open(Measured.threads())) {
      out.printf("%n%s; %s%n%n", processor(), device.name());
    }
    out.println(
        "| op | shape | tokens | µs | GB/s | of read ceiling | GFLOP/s | of arithmetic ceiling |"
            + " ceilings: GB/s, GFLOP/s |");
    out.println("|---|---|---|---|---|---|---|---|---|");
    for (RunResult result : results) {
      out.println(row(result, iterations));
    }
  }

  /** One line of {@link Measured}. */
  private record Iteration(
      String key, double bytes, double flops, double seconds, double read, double arithmetic) {

    static Iteration parse(String line) {
      String[] fields = line.split(" ");
      double[] numbers = Stream.of(fields).skip(1).mapToDouble(Double::parseDouble).toArray();
      return new Iteration(fields[0], numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
    }
  }

  private static String row(RunResult result, List<Iteration> all) {
    String name = result.getParams().getBenchmark();
    String op = name.substring(name.lastIndexOf('.') + 1);
    String shape = result.getParams().getParam("shape");
    String tokens = result.getParams().getParam("tokens");
    String key = op + ":" + shape + ":" + tokens;
    // The warm-up's line comes first.
    List<Iteration> iterations = all.stream().filter(it -> it.key().equals(key)).skip(1).toList();
    double seconds = median(iterations, Iteration::seconds);
    Iteration any = iterations.getFirst();
    return String.format(
        "| %s | %s | %s | %.1f | %.1f | %.0f %% | %.1f | %.0f %% | %.1f, %.0f |",
        op,
        shape,
        tokens,
        seconds * 1e6,
        any.bytes() / seconds / 1e9,
        100 * median(iterations, it -> it.bytes() / it.seconds() / it.read()),
        any.flops() / seconds / 1e9,
        100 * median(iterations, it -> it.flops() / it.seconds() / it.arithmetic()),
        median(iterations, Iteration::read) / 1e9,
        median(iterations, Iteration::arithmetic) / 1e9);
  }

  private static double median(List<Iteration> iterations, ToDoubleFunction<Iteration> of) {
    double[] sorted = iterations.stream().mapToDouble(of).toArray();
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
}
