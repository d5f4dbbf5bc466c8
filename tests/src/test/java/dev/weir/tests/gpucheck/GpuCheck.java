package dev.weir.tests.gpucheck;

import dev.weir.kernels.Device;
import dev.weir.kernels.cuda.CudaDevice;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The program. Each section runs in a process of its own, which gets a part of the time that is
 * left and is ended when it overstays: a kernel that hangs or crashes takes its section with it and
 * nothing else. What the sections print is the whole interface between them and this.
 */
public final class GpuCheck {
  /** In the order in which they run: first whether it is right, then how fast it is. */
  static final List<String> SECTIONS =
      List.of("probes", "ops", "shapes", "model", "table", "engine", "storm");

  /**
   * What each may take of the time, relative to the others; what is not used is left to the rest.
   */
  private static final List<Double> WEIGHTS = List.of(5.0, 90.0, 60.0, 30.0, 180.0, 130.0, 60.0);

  /** What a section may take beyond its part before it is ended: it stops by itself before that. */
  private static final double GRACE = 0.1;

  private static final double GRACE_SECONDS = 8;

  private static final int OK = 0;
  private static final int FAILED = 1;
  private static final int USAGE = 2;

  /** Tells a process that it is to run one section. */
  private static final String SECTION = "--section";

  private GpuCheck() {}

  /** Runs the check, or as a process of its own one section of it. */
  public static void main(String[] arguments) {
    System.exit(run(System.out, arguments));
  }

  static int run(PrintStream console, String... arguments) {
    boolean child = arguments.length > 1 && arguments[0].equals(SECTION);
    Options options;
    try {
      options =
          Options.parse(
              child ? List.of(arguments).subList(2, arguments.length) : List.of(arguments));
    } catch (IllegalArgumentException wrong) {
      console.println("gpu-check: " + wrong.getMessage());
      console.print(Options.usage());
      return USAGE;
    }
    Report report = new Report(console);
    if (child) {
      section(arguments[1], options, report);
      return OK;
    }
    return all(options, report, console);
  }

  private static int all(Options options, Report report, PrintStream console) {
    Budget budget = Budget.of(options.limit());
    report.fact("seed", Long.toString(options.seed()));
    if (Environment.describe(options, report)) {
      double weights = 0;
      for (int i = 0; i < SECTIONS.size(); i++) {
        weights += options.sections().contains(SECTIONS.get(i)) ? WEIGHTS.get(i) : 0;
      }
      for (int i = 0; i < SECTIONS.size(); i++) {
        String name = SECTIONS.get(i);
        if (!options.sections().contains(name)) {
          continue;
        }
        Budget part = budget.share(WEIGHTS.get(i) / weights);
        weights -= WEIGHTS.get(i);
        apart(name, part, options, report);
      }
    }
    try {
      console.println("table\t" + report.write(options.out()));
    } catch (IOException e) {
      report.failed("report", "written", e.toString());
    }
    console.println(report.ok() ? "OK" : "FAILED");
    return report.ok() ? OK : FAILED;
  }

  /** One section, in a process that has this one's flags and class path. */
  private static void apart(String name, Budget budget, Options options, Report report) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(GpuCheck.class.getName(), SECTION, name));
    command.addAll(options.arguments((int) Math.max(1, budget.seconds())));
    long started = System.nanoTime();
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      process.getOutputStream().close();
      Thread reader =
          Thread.ofPlatform().name("gpu-check-" + name).start(() -> read(process, report));
      double patience = budget.seconds() * (1 + GRACE) + GRACE_SECONDS;
      if (!process.waitFor((long) (patience * 1e3), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly().waitFor();
        report.failed(name, "ended in time", "stopped after %.0f s".formatted(patience));
      } else if (process.exitValue() != OK) {
        report.failed(name, "ran", "its process ended with status " + process.exitValue());
      }
      reader.join();
    } catch (IOException e) {
      report.failed(name, "ran", e.toString());
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this", e);
    }
    report.fact(name + " took", "%.1f s".formatted((System.nanoTime() - started) / 1e9));
  }

  private static void read(Process process, Report report) {
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        report.accept(line);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e); // the process was ended while it wrote
    }
  }

  private static void section(String name, Options options, Report report) {
    Budget budget = Budget.of(options.limit());
    try {
      // Held to the end: with the last device that is closed the driver throws its context away,
      // and the next one that is opened waits until it is made anew.
      Device held = options.device() == Checked.CUDA ? CudaDevice.open(0) : null;
      try {
        run(name, options, budget, report);
      } finally {
        if (held != null) {
          held.close();
        }
      }
    } catch (Exception | LinkageError | AssertionError failure) {
      report.failed(name, "ran", failure.toString());
      failure.printStackTrace();
    }
  }

  private static void run(String name, Options options, Budget budget, Report report)
      throws Exception {
    switch (name) {
      case "probes" -> Probes.run(options, report);
      case "ops" -> OpTests.run(options, budget, report);
      case "shapes" -> RealShapes.run(options, budget, report);
      case "model" -> ModelCheck.run(options, budget, report);
      case "table" -> OpTable.run(options, budget, report);
      case "engine" -> EngineRuns.run(options, budget, report);
      case "storm" -> Storm.run(options, budget, report);
      default -> throw new IllegalArgumentException("no section '" + name + "'");
    }
  }
}
