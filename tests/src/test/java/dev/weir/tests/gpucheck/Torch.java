package dev.weir.tests.gpucheck;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * PyTorch's times of the same shapes, where there is one: a Python program that gets the shapes as
 * lines and prints their times.
 *
 * @param micros by job
 * @param why there is none for all
 */
record Torch(Map<String, Double> micros, String why) {
  private static final String PROGRAM = "torch_shapes.py";
  private static final int MATMUL = 8192;

  /** Importing torch can take so long from a cold disk; the program stops by itself before that. */
  private static final int GRACE_SECONDS = 30;

  static String matmul(boolean smoke) {
    return "matmul " + (smoke ? 64 : MATMUL);
  }

  static String linear(int rows, Shape.Linear shape) {
    return "linear %d %d %d".formatted(rows, shape.rows(), shape.columns());
  }

  static String decode(Shape shape, int batch, int context) {
    return "decode %d %d %d %d %d"
        .formatted(batch, context, shape.heads(), shape.kvHeads(), shape.headDim());
  }

  static String prefill(Shape shape, int tokens) {
    return "prefill %d %d %d %d".formatted(tokens, shape.heads(), shape.kvHeads(), shape.headDim());
  }

  /** Torch's time over Weir's, NaN where torch has none. */
  double ratio(String job, double seconds) {
    return micros.getOrDefault(job, Double.NaN) / 1e6 / seconds;
  }

  /** Operations per second of the large product, NaN where there is none. */
  double matmulRate() {
    return 2.0 * MATMUL * MATMUL * MATMUL / (micros.getOrDefault(matmul(false), Double.NaN) / 1e6);
  }

  /** Runs the jobs; never fails, says why there are no figures. */
  static Torch measure(Options options, Budget budget, List<String> jobs, Report report) {
    if (!Environment.isCuda(options.device())) {
      return new Torch(Map.of(), "only a GPU is compared with torch");
    }
    Map<String, Double> micros = new HashMap<>();
    StringBuilder why = new StringBuilder();
    try {
      Path program = Files.createTempFile("weir-", "-" + PROGRAM);
      try (InputStream source = Torch.class.getResourceAsStream(PROGRAM)) {
        Files.copy(
            Objects.requireNonNull(source, PROGRAM), program, StandardCopyOption.REPLACE_EXISTING);
        run(options, budget, program, jobs, micros, why, report);
      } finally {
        Files.delete(program);
      }
    } catch (IOException e) {
      why.append(options.torch()).append(" does not run: ").append(e.getMessage());
    }
    if (!why.isEmpty()) {
      report.note(OpTable.SECTION, "torch: " + why);
    }
    return new Torch(micros, why.toString());
  }

  private static void run(
      Options options,
      Budget budget,
      Path program,
      List<String> jobs,
      Map<String, Double> micros,
      StringBuilder why,
      Report report)
      throws IOException {
    Process process =
        new ProcessBuilder(
                options.torch(), program.toString(), Integer.toString((int) budget.seconds()))
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try (Writer input = process.outputWriter(StandardCharsets.UTF_8)) {
      for (String job : jobs) {
        input.write(job + "\n");
      }
    }
    Thread reader = Thread.ofPlatform().start(() -> read(process, micros, why, report));
    try {
      if (!process.waitFor((long) budget.seconds() + GRACE_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        why.append("stopped: it did not end in time");
      } else if (process.exitValue() != 0) {
        why.append(options.torch()).append(" ended with status ").append(process.exitValue());
      }
      reader.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this", e);
    }
  }

  private static void read(
      Process process, Map<String, Double> micros, StringBuilder why, Report report) {
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] parts = line.split("\t");
        switch (parts[0]) {
          case "torch" -> micros.put(parts[1], Double.parseDouble(parts[2]));
          case "version" -> report.fact("torch", parts[1]);
          case "why" -> why.append(why.isEmpty() ? "" : "; ").append(parts[1]);
          default -> {} // what a library had to say
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
