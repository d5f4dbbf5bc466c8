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

/** Whole KV blocks inside the arena, as a migration copies them. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 1, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 7, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
public class CopyBlocksBenchmark {
  @Param({"Qwen3-0.6B/28/8/128"})
  String shape = "";

  @Param({"1", "16"})
  int tokens;

  private @Nullable GatherRun run;

  private GatherRun run() {
    return Objects.requireNonNull(run, "set up by JMH");
  }

  /** Fills the inputs. */
  @Setup(Level.Trial)
  public void open() {
    run = GatherRun.copyBlocks(shape, tokens);
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
  public void copyBlocks() {
    run().call();
  }
}
