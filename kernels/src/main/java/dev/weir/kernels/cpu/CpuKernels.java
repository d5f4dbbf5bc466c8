package dev.weir.kernels.cpu;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The op set over the C library: checks, then one downcall per op. */
final class CpuKernels implements Kernels {
  private final long device;
  private boolean closed;

  CpuKernels(long device) {
    this.device = device;
  }

  /** After this every op is refused. */
  void close() {
    closed = true;
  }

  /** The handle for a downcall. */
  private long device() {
    if (closed) {
      throw new IllegalStateException("this device is closed");
    }
    return device;
  }

  static long packedBytes(DType type, int rows, int columns) {
    return LinearCalls.packedBytes(type, rows, columns);
  }

  void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    LinearCalls.pack(device(), weight, firstRow, count, source);
  }

  @Override
  public void prepare(StepInputs step) {}

  @Override
  public void embed(StepInputs step, LinearWeight table, Buffer out) {
    LinearCalls.embed(device(), step.tokens(), step.tokenIds(), table, out);
  }

  @Override
  public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
    LinearCalls.linear("linear", device(), rows, in, weight, out);
  }

  @Override
  public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {
    LinearCalls.linear("logits", device(), rows, in, head, out);
  }

  @Override
  public void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    NormCalls.addRmsNorm(device(), rows, dim, residual, delta, weight, epsilon, out);
  }

  @Override
  public void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    NormCalls.gatherAddRmsNorm(device(), step, dim, residual, delta, weight, epsilon, out);
  }

  @Override
  public void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    AttentionCalls.rotateAndCache(device(), step, shape, norm, rotary, qkv, cache, layer);
  }

  @Override
  public void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
    AttentionCalls.attention(device(), step, shape, qkv, cache, layer, out);
  }

  @Override
  public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
    NormCalls.gatedActivation(device(), rows, width, gateUp, out);
  }

  @Override
  public void sample(
      int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    SampleCalls.sample(device(), rows, vocabulary, logits, parameters, results);
  }

  @Override
  public void copyBlocks(KvArena cache, int count, Buffer pairs) {
    AttentionCalls.copyBlocks(device(), cache, count, pairs);
  }
}
