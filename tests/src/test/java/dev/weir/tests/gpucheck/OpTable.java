package dev.weir.tests.gpucheck;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaStopwatch;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** The timed table: each op at the shapes of real models. */
final class OpTable {
  static final String SECTION = "table";

  /** Of the time, for PyTorch's figures of the same shapes. */
  private static final double TORCH_PART = 0.35;

  /** So much that neither cache nor launch shows. */
  private static final long COPY_BYTES = 2L << 30;

  private static final int COPIES = 10;

  private OpTable() {}

  static void run(Options options, Budget budget, Report report) {
    List<Shape> shapes = Shape.of(options.smoke());
    Torch torch = Torch.measure(options, budget.share(TORCH_PART), jobs(options, shapes), report);
    Ceilings ceilings = measure(options, torch, report);
    Table table = new Table(options, budget, report, ceilings, torch);
    for (Shape shape : shapes) {
      LinearTable.run(table, shape);
      AttentionTable.run(table, shape);
      SmallOpTable.run(table, shape);
    }
    // Rows that could not be measured have failed; that there are others must be known, too.
    report.passed(SECTION, "measured to the end", "");
  }

  /** What one section needs to measure. */
  record Table(Options options, Budget budget, Report report, Ceilings ceilings, Torch torch) {

    /** Whether time is left for a row; counts those that are left out. */
    boolean wants(String name) {
      if (budget.spent()) {
        report.note(SECTION, name + " was left out: no time was left");
        return false;
      }
      return true;
    }

    /** Measures something, unless no time is left; a failure costs its own rows only. */
    void row(String name, Runnable measure) {
      if (wants(name)) {
        try {
          measure.run();
        } catch (RuntimeException failure) {
          report.failed(SECTION, name, failure.toString());
        }
      }
    }

    /** A figure of memory traffic. */
    Row traffic(String name, double seconds, double bytes, String job) {
      double rate = bytes / seconds;
      double share = rate / ceilings.copy();
      return new Row(
          SECTION,
          name,
          seconds * 1e6,
          rate / 1e12,
          "TB/s",
          share,
          torch.ratio(job, seconds),
          Row.Verdict.NONE);
    }

    /** A figure of arithmetic. */
    Row arithmetic(String name, double seconds, double operations, String job) {
      double rate = operations / seconds;
      double share = rate / ceilings.matmul();
      return new Row(
          SECTION,
          name,
          seconds * 1e6,
          rate / 1e12,
          "TFLOP/s",
          share,
          torch.ratio(job, seconds),
          Row.Verdict.NONE);
    }
  }

  private static List<String> jobs(Options options, List<Shape> shapes) {
    return Stream.concat(
            Stream.of(Torch.matmul(options.smoke())),
            shapes.stream()
                .flatMap(
                    shape ->
                        Stream.concat(
                            LinearTable.jobs(shape, options.smoke()).stream(),
                            AttentionTable.jobs(shape, options.smoke()).stream())))
        .toList();
  }

  private static Ceilings measure(Options options, Torch torch, Report report) {
    double matmul = torch.matmulRate();
    double copy = Double.NaN;
    if (options.device() == Checked.CUDA) {
      copy = copy(options);
      report.row(Row.plain(SECTION, "device-to-device copy (ceiling)", copy / 1e12, "TB/s"));
    }
    if (Double.isNaN(matmul)) {
      report.note(SECTION, "no matmul ceiling measured: " + torch.why());
    } else {
      report.row(Row.plain(SECTION, "torch matmul 8192³ bf16 (ceiling)", matmul / 1e12, "TFLOP/s"));
    }
    if (Double.isNaN(copy)) {
      report.note(SECTION, "no copy bandwidth measured: only a GPU's is");
    }
    return new Ceilings(copy, matmul);
  }

  /** Bytes per second, read and written bytes both counted. */
  private static double copy(Options options) {
    long bytes = options.smoke() ? 1 << 16 : COPY_BYTES;
    try (CudaDevice device = CudaDevice.open(0)) {
      Buffer from = device.allocate(bytes, "a copy's source");
      Buffer to = device.allocate(bytes, "a copy's destination");
      byte[] random = new byte[1 << 16];
      new Random(options.seed()).nextBytes(random);
      for (long at = 0; at < bytes; at += random.length) {
        device.write(from, at, MemorySegment.ofArray(random));
      }
      double best = Double.POSITIVE_INFINITY;
      try (CudaStopwatch.Recording recording = new CudaStopwatch(device).copy(from, to)) {
        for (int round = 0; round < COPIES; round++) {
          best = Math.min(best, recording.seconds());
        }
      }
      return 2.0 * bytes / best;
    }
  }
}
