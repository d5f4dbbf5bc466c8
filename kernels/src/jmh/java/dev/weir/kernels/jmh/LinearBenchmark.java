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
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * {@code linear} with BF16 weights of two real models' shapes. Every call takes the next of several
 * weights that together exceed all caches, as the layers of a model do.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 1, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 7, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
public class LinearBenchmark {
  private static final DType TYPE = DType.BF16;

  /** The part of the model, its output features and its input features. */
  @Param({
    "Qwen3-0.6B/qkv/4096/1024",
    "Qwen3-0.6B/o/1024/2048",
    "Qwen3-0.6B/gateUp/6144/1024",
    "Qwen3-0.6B/down/1024/3072",
    "Qwen3-0.6B/head/151936/1024",
    "Llama-3.2-1B/qkv/3072/2048",
    "Llama-3.2-1B/o/2048/2048",
    "Llama-3.2-1B/gateUp/16384/2048",
    "Llama-3.2-1B/down/2048/8192",
  })
  String shape = "";

  @Param({"1", "8", "64", "512"})
  int tokens;

  private @Nullable CpuDevice device;
  private @Nullable Measured measured;
  private LinearWeight[] weights = {};
  private @Nullable Buffer in;
  private @Nullable Buffer out;
  private int next;

  /** Fills the weights. */
  @Setup(Level.Trial)
  public void open() {
    device = CpuDevice.open(Integer.getInteger("weir.jmh.threads", 2));
    String[] parts = shape.split("/");
    int rows = Integer.parseInt(parts[2]);
    int columns = Integer.parseInt(parts[3]);
    LinearWeight probe = device.allocateLinear(TYPE, rows, columns, "benchmark weight");
    long bytes = probe.packed().bytes();
    device.free(probe.packed());
    // One allocation cut into weights, so that bandwidth is measured on the very memory that linear
    // reads.
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
            new LinearWeight(
                TYPE, rows, columns, KernelBenchmarks.slice(memory, copy * bytes, bytes), null);
        device.pack(weights[copy], 0, rows, source);
      }
    }
    in = device.allocate(4L * tokens * columns, "benchmark input");
    float[] values = new float[tokens * columns];
    var random = new Random(2);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    device.write(in, 0, MemorySegment.ofArray(values));
    out = device.allocate(4L * tokens * rows, "benchmark output");
    measured = new Measured(device, memory, TYPE, "linear:" + shape + ":" + tokens);
  }

  /** Ceilings before. */
  @Setup(Level.Iteration)
  public void before() {
    KernelBenchmarks.present(measured).before();
  }

  /** Ceilings after. */
  @TearDown(Level.Iteration)
  public void after() {
    LinearWeight weight = weights[0];
    double operations = 2.0 * tokens * weight.rows() * weight.columns();
    KernelBenchmarks.present(measured).after(weight.packed().bytes(), operations);
  }

  /** Frees all. */
  @TearDown(Level.Trial)
  public void close() {
    KernelBenchmarks.present(device).close();
  }

  /** One call. */
  @Benchmark
  public void linear() {
    next = (next + 1) % weights.length;
    KernelBenchmarks.present(device)
        .kernels()
        .linear(tokens, KernelBenchmarks.present(in), weights[next], KernelBenchmarks.present(out));
  }
}
