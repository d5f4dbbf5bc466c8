package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/** The ops around the cache: rotateAndCache, attention, copyBlocks. */
final class AttentionCalls {
  /**
   * (device, tokens, positions, tokenSlices, sliceOffsets, tableRows, table, tableWidth, memory,
   * blockBytes, layerBytes, layer, type, heads, kvHeads, headDim, rotaryDim, cosines, sines,
   * queryNorm, keyNorm, epsilon, qkv).
   */
  private static final MethodHandle ROTATE_AND_CACHE =
      NativeLibrary.operation(
          "weir_rotate_and_cache",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_FLOAT,
          JAVA_LONG);

  /**
   * (device, slices, positions, sliceOffsets, tableRows, table, tableWidth, memory, blockBytes,
   * layerBytes, layer, type, heads, kvHeads, headDim, scale, window, softCap, qkv, out).
   */
  private static final MethodHandle ATTENTION =
      NativeLibrary.operation(
          "weir_attention",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_FLOAT,
          JAVA_LONG,
          JAVA_FLOAT,
          JAVA_LONG,
          JAVA_LONG);

  /** (device, memory, blocks, blockBytes, count, pairs). */
  private static final MethodHandle COPY_BLOCKS =
      NativeLibrary.operation(
          "weir_copy_blocks", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private AttentionCalls() {}

  static void rotateAndCache(
      long device,
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    String op = "rotateAndCache";
    StepChecks.cached(step, shape, cache, layer);
    StepChecks.rotated(step, shape, rotary);
    if (step.tokens() == 0) {
      return;
    }
    long queryNorm = 0;
    long keyNorm = 0;
    if (norm != null) {
      queryNorm = Checks.address(norm.query(), shape.headDim(), Float.BYTES, op, "query norm");
      keyNorm = Checks.address(norm.key(), shape.headDim(), Float.BYTES, op, "key norm");
    }
    long elements = (long) step.tokens() * shape.qkvColumns();
    long rows = Checks.address(qkv, elements, Float.BYTES, op, "qkv");
    int status;
    try {
      status =
          (int)
              ROTATE_AND_CACHE.invokeExact(
                  device,
                  (long) step.tokens(),
                  step.positions().address(),
                  step.tokenSlices().address(),
                  step.sliceOffsets().address(),
                  step.blockTableRows().address(),
                  step.blockTable().address(),
                  (long) step.blockTableWidth(),
                  memory(cache, op),
                  cache.shape().blockBytes(),
                  cache.shape().layerBytes(),
                  (long) layer,
                  Native.code(cache.shape().type()),
                  (long) shape.heads(),
                  (long) shape.kvHeads(),
                  (long) shape.headDim(),
                  (long) rotary.rotaryDim(),
                  rotary.cosines().address(),
                  rotary.sines().address(),
                  queryNorm,
                  keyNorm,
                  norm == null ? 0 : norm.epsilon(),
                  rows);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }

  static void attention(
      long device,
      StepInputs step,
      AttentionShape shape,
      Buffer qkv,
      KvArena cache,
      int layer,
      Buffer out) {
    String op = "attention";
    StepChecks.cached(step, shape, cache, layer);
    if (step.tokens() == 0) {
      return;
    }
    long tokens = step.tokens();
    long queries = Checks.address(qkv, tokens * shape.qkvColumns(), Float.BYTES, op, "qkv");
    long outs = tokens * shape.heads() * shape.headDim();
    long to = Checks.address(out, outs, Float.BYTES, op, "out");
    int status;
    try {
      status =
          (int)
              ATTENTION.invokeExact(
                  device,
                  (long) step.slices(),
                  step.positions().address(),
                  step.sliceOffsets().address(),
                  step.blockTableRows().address(),
                  step.blockTable().address(),
                  (long) step.blockTableWidth(),
                  memory(cache, op),
                  cache.shape().blockBytes(),
                  cache.shape().layerBytes(),
                  (long) layer,
                  Native.code(cache.shape().type()),
                  (long) shape.heads(),
                  (long) shape.kvHeads(),
                  (long) shape.headDim(),
                  shape.scale(),
                  (long) shape.window(),
                  shape.softCap(),
                  queries,
                  to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }

  static void copyBlocks(long device, KvArena cache, int count, Buffer pairs) {
    String op = "copyBlocks";
    Checks.notNegative(count, op, "count");
    StepChecks.copied(cache, count, pairs);
    int status;
    try {
      status =
          (int)
              COPY_BLOCKS.invokeExact(
                  device,
                  memory(cache, op),
                  (long) cache.blocks(),
                  cache.shape().blockBytes(),
                  (long) count,
                  pairs.address());
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    Native.check(status, op);
  }

  private static long memory(KvArena cache, String op) {
    DType type = cache.shape().type();
    if (type != DType.F32 && type != DType.BF16) {
      throw new IllegalArgumentException(
          op + ": a cache of this device is F32 or BF16, not " + type);
    }
    return Checks.address(
        cache.memory(), cache.blocks() * cache.shape().blockBytes(), 1, op, "the KV cache");
  }
}
