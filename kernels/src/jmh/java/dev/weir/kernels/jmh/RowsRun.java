package dev.weir.kernels.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** The ops that pass over rows once: norm, gated activation, sampling. */
final class RowsRun implements AutoCloseable {
  private static final float EPSILON = 1e-6f;

  private final CpuDevice device = CpuDevice.open(Measured.threads());
  private final int rows;
  private final int columns;
  private final Buffer in;
  private final Buffer delta;
  private final Buffer weight;
  private final Buffer out;
  private final SampleBuffers parameters;
  private final Measured measured;

  /**
   * @param op the benchmark's name
   * @param shape {@code model/columns}, for sampling {@code model/vocabulary/setting}
   */
  RowsRun(String op, String shape, int rows) {
    String[] parts = shape.split("/");
    this.rows = rows;
    columns = Integer.parseInt(parts[1]);
    in = floats(2L * rows * columns);
    delta = floats((long) rows * columns);
    weight = floats(columns);
    out = device.allocate(Math.max(4L * rows * columns, rows * 192L), "benchmark output");
    Buffer none = device.allocate(8, "benchmark lists");
    parameters = new SampleBuffers(settings(parts[parts.length - 1]), none, none, none);
    // Written, or every page of it would be the one page of zeros.
    Buffer memory = device.allocate(Ceilings.LEAST_READ_BYTES, "benchmark memory");
    StepRun.fill(device, memory);
    measured = new Measured(device, memory, DType.F32, op + ":" + shape + ":" + rows);
  }

  void before() {
    measured.before();
  }

  /**
   * @param bytesPerElement what is read of a row, by its columns
   * @param flopsPerElement arithmetic, by its columns
   */
  void after(double bytesPerElement, double flopsPerElement) {
    double elements = (double) rows * columns;
    measured.after(bytesPerElement * elements, flopsPerElement * elements);
  }

  void addRmsNorm() {
    device.kernels().addRmsNorm(rows, columns, in, delta, weight, EPSILON, out);
    measured.called();
  }

  void gatedActivation() {
    device.kernels().gatedActivation(rows, columns, in, out);
    measured.called();
  }

  void sample() {
    device.kernels().sample(rows, columns, in, parameters, out);
    measured.called();
  }

  private Buffer settings(String setting) {
    Buffer buffer = device.allocate((long) rows * SampleLayout.ROW_BYTES, "benchmark settings");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment row = arena.allocate(SampleLayout.ROW_BYTES, Long.BYTES);
      for (int r = 0; r < rows; r++) {
        row.set(JAVA_FLOAT, SampleLayout.TEMPERATURE, setting.equals("greedy") ? 0 : 0.7f);
        row.set(JAVA_FLOAT, SampleLayout.TOP_P, setting.startsWith("topP") ? 0.95f : 1);
        row.set(JAVA_INT, SampleLayout.TOP_K, setting.equals("topK20") ? 20 : 0);
        row.set(JAVA_FLOAT, SampleLayout.REPETITION, 1);
        row.set(JAVA_INT, SampleLayout.LOGPROBS, setting.equals("logprobs") ? 5 : -1);
        row.set(JAVA_LONG, SampleLayout.SEED, r);
        row.set(JAVA_INT, SampleLayout.MASK_OFFSET, -1);
        device.write(buffer, (long) r * SampleLayout.ROW_BYTES, row);
      }
    }
    return buffer;
  }

  /**
   * Normal, of a spread that leaves top-p thousands of a large vocabulary's tokens: its worst case.
   */
  private Buffer floats(long count) {
    float[] values = new float[Math.toIntExact(count)];
    var random = new Random(count);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (2 * random.nextGaussian());
    }
    Buffer buffer = device.allocate(4L * count, "benchmark input");
    device.write(buffer, 0, MemorySegment.ofArray(values));
    return buffer;
  }

  @Override
  public void close() {
    device.close();
  }
}
