package dev.weir.kernels.jmh;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * The ops that only move: embedding rows, and whole KV blocks. Their memory exceeds all processor
 * caches.
 */
final class GatherRun implements AutoCloseable {
  private final CpuDevice device = CpuDevice.open(Measured.threads());
  private final int count;
  private final double bytes;
  private final Runnable op;
  private final Measured measured;

  private GatherRun(String key, int count, CpuDeviceOp setUp) {
    this.count = count;
    Buffer memory = device.allocate(Ceilings.LEAST_READ_BYTES, "benchmark memory");
    StepRun.fill(device, memory);
    Prepared prepared = setUp.on(device);
    op = prepared.op();
    bytes = prepared.bytes();
    measured = new Measured(device, memory, DType.BF16, key);
  }

  private interface CpuDeviceOp {
    Prepared on(CpuDevice device);
  }

  /** An op ready to be called, and what one call must read. */
  private record Prepared(double bytes, Runnable op) {}

  /**
   * @param shape {@code model/vocabulary/hidden}
   */
  static GatherRun embed(String shape, int tokens) {
    String[] parts = shape.split("/");
    int vocabulary = Integer.parseInt(parts[1]);
    int hidden = Integer.parseInt(parts[2]);
    return new GatherRun(
        "embed:" + shape + ":" + tokens,
        tokens,
        device -> {
          LinearWeight table =
              device.allocateLinear(DType.BF16, vocabulary, hidden, "benchmark table");
          StepRun.fill(device, table.packed());
          Buffer none = ints(device, 0);
          Buffer ids = ints(device, new Random(1).ints(tokens, 0, vocabulary).toArray());
          StepInputs step =
              new StepInputs(none, ids, none, none, none, none, none, none, 1, none, null);
          step.counts(tokens, 1, 0);
          Buffer out = device.allocate((long) tokens * hidden * Float.BYTES, "benchmark output");
          return new Prepared(
              (double) tokens * hidden * DType.BF16.bytes(),
              () -> device.kernels().embed(step, table, out));
        });
  }

  /**
   * @param shape {@code model/layers/kvHeads/headDim}
   */
  static GatherRun copyBlocks(String shape, int blocks) {
    String[] parts = shape.split("/");
    KvShape kv =
        new KvShape(
            Integer.parseInt(parts[1]),
            Integer.parseInt(parts[2]),
            Integer.parseInt(parts[3]),
            DType.BF16);
    return new GatherRun(
        "copyBlocks:" + shape + ":" + blocks,
        blocks,
        device -> {
          int half = Math.max(blocks, (int) (Ceilings.LEAST_READ_BYTES / kv.blockBytes()));
          KvArena cache = device.allocateKv(kv, 2 * half);
          StepRun.fill(device, cache.memory());
          int[] pairs = new int[2 * blocks];
          int[] from = new Random(1).ints(0, half).distinct().limit(blocks).toArray();
          for (int i = 0; i < blocks; i++) {
            pairs[2 * i] = from[i];
            pairs[2 * i + 1] = half + from[i];
          }
          Buffer list = ints(device, pairs);
          return new Prepared(
              (double) blocks * kv.blockBytes(),
              () -> device.kernels().copyBlocks(cache, blocks, list));
        });
  }

  private static Buffer ints(CpuDevice device, int... values) {
    Buffer buffer = device.allocate((long) Integer.BYTES * values.length, "benchmark input");
    device.write(buffer, 0, MemorySegment.ofArray(values));
    return buffer;
  }

  void before() {
    measured.before();
  }

  /** Moving does no arithmetic; one operation an item keeps the table's ratios finite. */
  void after() {
    measured.after(bytes, count);
  }

  void call() {
    op.run();
    measured.called();
  }

  @Override
  public void close() {
    device.close();
  }
}
