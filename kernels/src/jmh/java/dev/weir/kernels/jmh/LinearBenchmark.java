package dev.weir.kernels.jmh;

import java.util.Objects;
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

/** {@code linear} with the matrices of two real models: one token to a prefill chunk. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 1, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 7, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
public class LinearBenchmark {
  @Param({
    "Qwen3-0.6B/qkv/4096/1024",
    "Qwen3-0.6B/o/1024/2048",
    "Qwen3-0.6B/gateUp/6144/1024",
    "Qwen3-0.6B/down/1024/3072",
    "Llama-3.2-1B/qkv/3072/2048",
    "Llama-3.2-1B/o/2048/2048",
    "Llama-3.2-1B/gateUp/16384/2048",
    "Llama-3.2-1B/down/2048/8192"
  })
  String shape = "";

  @Param({"1", "8", "64", "512"})
  int tokens;

  private @Nullable LinearRun run;

  private LinearRun run() {
    return Objects.requireNonNull(run, "set up by JMH");
  }

  /** Fills the weights. */
  @Setup(Level.Trial)
  public void open() {
    run = new LinearRun("linear", shape, tokens);
  }

  /** Ceilings before. */
  @Setup(Level.Iteration)
  public void before() {
    run().before();
  }

  /** Ceilings after. */
  @TearDown(Level.Iteration)
  public void after() {
    run().after();
  }

  /** Frees all. */
  @TearDown(Level.Trial)
  public void close() {
    run().close();
  }

  /** One call. */
  @Benchmark
  public void linear() {
    run().call();
  }
}
