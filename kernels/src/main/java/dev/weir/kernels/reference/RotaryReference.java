package dev.weir.kernels.reference;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;
import org.jspecify.annotations.Nullable;

/** Rotary embedding (Su et al. 2021), the norm before it, and the cache behind it. */
final class RotaryReference {
  private float[] row = new float[0];
  private float[] cosines = new float[0];
  private float[] sines = new float[0];
  private float[] queryWeights = new float[0];
  private float[] keyWeights = new float[0];

  void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    int headDim = shape.headDim();
    int columns = shape.qkvColumns();
    int half = rotary.rotaryDim() / 2;
    row = Memory.atLeast(row, columns);
    cosines = Memory.atLeast(cosines, half);
    sines = Memory.atLeast(sines, half);
    if (norm != null) {
      queryWeights = Memory.atLeast(queryWeights, headDim);
      keyWeights = Memory.atLeast(keyWeights, headDim);
      Memory.read(norm.query(), 0, queryWeights, headDim);
      Memory.read(norm.key(), 0, keyWeights, headDim);
    }

    for (int t = 0; t < step.tokens(); t++) {
      int position = Memory.readInt(step.positions(), t);
      Memory.read(qkv, (long) t * columns, row, columns);
      Memory.read(rotary.cosines(), (long) position * half, cosines, half);
      Memory.read(rotary.sines(), (long) position * half, sines, half);
      for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
        if (norm != null) {
          float[] weights = head < shape.heads() ? queryWeights : keyWeights;
          NormReference.normalise(row, head * headDim, headDim, weights, norm.epsilon());
        }
        rotate(head * headDim, half);
      }
      Memory.write(row, 0, shape.heads() * headDim, qkv, (long) t * columns);

      int block = StepChecks.block(step, t, position);
      int slot = position % KvShape.BLOCK_TOKENS;
      for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead++) {
        int key = (shape.heads() + kvHead) * headDim;
        int value = key + shape.kvHeads() * headDim;
        KvTiles.write(cache, KvTiles.keys(cache, block, layer, kvHead), slot, row, key);
        KvTiles.write(cache, KvTiles.values(cache, block, layer, kvHead), slot, row, value);
      }
    }
  }

  private void rotate(int at, int half) {
    for (int i = 0; i < half; i++) {
      float a = row[at + i];
      float b = row[at + half + i];
      row[at + i] = a * cosines[i] - b * sines[i];
      row[at + half + i] = b * cosines[i] + a * sines[i];
    }
  }
}
