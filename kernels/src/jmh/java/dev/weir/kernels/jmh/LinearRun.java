package dev.weir.kernels.jmh;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/**
 * BF16 weights of one shape, as many as exceed all caches together, multiplied in turn: as the
 * layers of a model are.
 */
final class LinearRun implements AutoCloseable {
  private static final DType TYPE = DType.BF16;

  private final CpuDevice device = CpuDevice.open(Measured.threads());
  private final LinearWeight[] weights;
  private final Measured measured;
  private final int tokens;
  private final Buffer in;
  private final Buffer out;
  private int next;

  /**
   * @param op the benchmark's name
   * @param shape {@code model/part/outputs/inputs}
   */
  LinearRun(String op, String shape, int tokens) {
    String[] parts = shape.split("/");
    int rows = Integer.parseInt(parts[2]);
    int columns = Integer.parseInt(parts[3]);
    this.tokens = tokens;
    LinearWeight probe = device.allocateLinear(TYPE, rows, columns, "benchmark weight");
    long bytes = probe.packed().bytes();
    device.free(probe.packed());
    // One allocation cut into weights, so that bandwidth is measured on the memory that is read.
    int copies = Math.toIntExact(Ceilings.LEAST_READ_BYTES / bytes + 1);
    Buffer memory = device.allocate(copies * bytes, "benchmark weights");
    weights = new LinearWeight[copies];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment source = arena.allocate((long) rows * columns * Short.BYTES);
      var random = new Random(1);
      for (long i = 0; i < source.byteSize() / Short.BYTES; i++) {
        short value = (short) (Float.floatToRawIntBits(random.nextFloat() - 0.5f) >>> 16);
        source.setAtIndex(ValueLayout.JAVA_SHORT, i, value);
      }
      for (int copy = 0; copy < copies; copy++) {
        weights[copy] =
            new LinearWeight(TYPE, rows, columns, memory.slice(copy * bytes, bytes), null);
        device.pack(weights[copy], 0, rows, source);
      }
    }
    float[] values = new float[tokens * columns];
    var random = new Random(2);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    in = device.allocate(4L * values.length, "benchmark input");
    device.write(in, 0, MemorySegment.ofArray(values));
    out = device.allocate(4L * tokens * rows, "benchmark output");
    measured = new Measured(device, memory, TYPE, op + ":" + shape + ":" + tokens);
  }

  void before() {
    measured.before();
  }

  void after() {
    LinearWeight weight = weights[0];
    measured.after(
        (double) weight.packed().bytes(), 2.0 * tokens * weight.rows() * weight.columns());
  }

  void call() {
    next = (next + 1) % weights.length;
    device.kernels().linear(tokens, in, weights[next], out);
    measured.called();
  }

  @Override
  public void close() {
    device.close();
  }
}
