package dev.weir.kernels.reference;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleChecks;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The op set, one class per family. Each op is done when it returns; scratch is kept from call to
 * call and grows to the largest step.
 */
final class ReferenceKernels implements Kernels {
  private final LinearReference linear = new LinearReference();
  private final NormReference norm = new NormReference();
  private final RotaryReference rotary = new RotaryReference();
  private final AttentionReference attention = new AttentionReference();
  private final ActivationReference activation = new ActivationReference();
  private final SampleReference sample = new SampleReference();

  @Override
  public void prepare(StepInputs step) {}

  @Override
  public void embed(StepInputs step, LinearWeight table, Buffer out) {
    StepChecks.inVocabulary(step, table.rows());
    linear.embed(step, table, out);
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
    norm.addRmsNorm(rows, dim, residual, delta, weight, epsilon, out);
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
    StepChecks.sampled(step);
    norm.gatherAddRmsNorm(step, dim, residual, delta, weight, epsilon, out);
  }

  @Override
  public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
    linear.linear(rows, in, weight, out);
  }

  @Override
  public void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable table,
      Buffer qkv,
      KvArena cache,
      int layer) {
    StepChecks.cached(step, shape, cache, layer);
    StepChecks.rotated(step, shape, table);
    rotary.rotateAndCache(step, shape, norm, table, qkv, cache, layer);
  }

  @Override
  public void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
    StepChecks.cached(step, shape, cache, layer);
    attention.attention(step, shape, qkv, cache, layer, out);
  }

  @Override
  public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
    activation.gatedActivation(rows, width, gateUp, out);
  }

  @Override
  public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {
    linear.linear(rows, in, head, out);
  }

  @Override
  public void sample(
      int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    SampleChecks.sampled(rows, vocabulary, logits, parameters, results);
    sample.sample(rows, vocabulary, logits, parameters, results);
  }

  @Override
  public void copyBlocks(KvArena cache, int count, Buffer pairs) {
    StepChecks.copied(cache, count, pairs);
    MemorySegment memory = Memory.segment(cache.memory());
    long bytes = cache.shape().blockBytes();
    for (int i = 0; i < count; i++) {
      long source = Memory.readInt(pairs, 2L * i) * bytes;
      long destination = Memory.readInt(pairs, 2L * i + 1) * bytes;
      MemorySegment.copy(memory, source, memory, destination, bytes);
    }
  }
}
