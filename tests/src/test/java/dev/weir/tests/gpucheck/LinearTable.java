package dev.weir.tests.gpucheck;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.StepLimits;
import java.util.ArrayList;
import java.util.List;

/**
 * Products with the matrices of a layer, and with the head, from one decode row to a prefill chunk.
 */
final class LinearTable {
  /**
   * Up to so many rows the weights' bytes are the bound; from {@link #PREFILL_ROWS} arithmetic is.
   */
  private static final int DECODE_ROWS = 64;

  private static final int PREFILL_ROWS = 1024;

  /** The head sees sampled rows only: one per sequence. */
  private static final int HEAD_ROWS = 256;

  // The targets on an H100.
  private static final double DECODE_TARGET = 0.85; // of the copy bandwidth
  private static final long DECODE_TARGET_BYTES = 32_000_000; // for weights from this size on
  private static final double PREFILL_TARGET = 0.60; // of what torch reaches

  private LinearTable() {}

  private static int[] rows(boolean smoke) {
    return smoke ? new int[] {1, 8, 64} : new int[] {1, 8, 32, 64, 256, 1024, 4096};
  }

  static List<String> jobs(Shape shape, boolean smoke) {
    List<String> jobs = new ArrayList<>();
    List<Shape.Linear> linears = new ArrayList<>(shape.linears());
    linears.add(shape.head());
    for (Shape.Linear linear : linears) {
      for (int rows : rows(smoke)) {
        if (!linear.name().equals("head") || rows <= HEAD_ROWS) {
          jobs.add(Torch.linear(rows, linear));
        }
      }
    }
    return jobs;
  }

  static void run(OpTable.Table table, Shape shape) {
    List<Shape.Linear> linears = new ArrayList<>(shape.linears());
    linears.add(shape.head());
    for (Shape.Linear linear : linears) {
      String name = shape.name() + " " + linear.name();
      table.row("linear " + name, () -> measure(table, shape, linear, name));
    }
  }

  private static void measure(OpTable.Table table, Shape shape, Shape.Linear linear, String name) {
    boolean head = linear.name().equals("head");
    int[] rowCounts = rows(table.options().smoke());
    int most = head ? HEAD_ROWS : rowCounts[rowCounts.length - 1];
    StepLimits limits = TimedDevice.limits(most, most, most, shape);
    try (TimedDevice timed = TimedDevice.open(table.options(), limits)) {
      long bytes = (long) linear.rows() * linear.columns() * TimedDevice.WEIGHTS.bytes();
      LinearWeight[] weights = new LinearWeight[timed.copies(bytes)];
      for (int i = 0; i < weights.length; i++) {
        weights[i] = timed.weight(linear);
      }
      DType outType = head ? DType.F32 : timed.activation;
      for (int rows : rowCounts) {
        if (rows > most || !table.wants("linear " + name + " × " + rows)) {
          continue;
        }
        long inBytes = (long) rows * linear.columns() * timed.activation.bytes();
        long outBytes = (long) rows * linear.rows() * outType.bytes();
        // Inputs and outputs rotate with the weights, as far as they are large beside them.
        int sets = Math.clamp(timed.rotation / (inBytes + outBytes), 1, weights.length);
        Buffer[] in = new Buffer[sets];
        Buffer[] out = new Buffer[sets];
        for (int i = 0; i < sets; i++) {
          in[i] = timed.activations((long) rows * linear.columns(), 1);
          out[i] = timed.device.allocate(outBytes, "timed output");
        }
        Runnable ops =
            () -> {
              for (int i = 0; i < weights.length; i++) {
                if (head) {
                  timed.kernels.logits(rows, in[i % sets], weights[i], out[i % sets]);
                } else {
                  timed.kernels.linear(rows, in[i % sets], weights[i], out[i % sets]);
                }
              }
            };
        double seconds = timed.median(weights.length, ops);
        for (int i = 0; i < sets; i++) {
          timed.device.free(in[i]);
          timed.device.free(out[i]);
        }
        table.report().row(row(table, linear, rows, name, seconds, bytes + inBytes + outBytes));
      }
    }
  }

  private static Row row(
      OpTable.Table table, Shape.Linear linear, int rows, String name, double seconds, long bytes) {
    String job = Torch.linear(rows, linear);
    String what =
        "linear " + name + " " + linear.rows() + "×" + linear.columns() + ", rows " + rows;
    if (rows <= DECODE_ROWS) {
      Row row = table.traffic(what, seconds, (double) bytes, job);
      boolean held = (long) linear.rows() * linear.columns() * 2 >= DECODE_TARGET_BYTES;
      return held ? row.held(row.ofCeiling(), DECODE_TARGET) : row;
    }
    double operations = 2.0 * rows * linear.rows() * linear.columns();
    Row row = table.arithmetic(what, seconds, operations, job);
    return rows >= PREFILL_ROWS ? row.held(row.ofTorch(), PREFILL_TARGET) : row;
  }
}
