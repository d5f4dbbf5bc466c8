package dev.weir.kernels.reference;

import java.util.Arrays;

/** A softmax-weighted sum under way: the largest score, the sum of weights, the sum of values. */
final class SoftmaxState {
  private int headDim;
  private float max;
  private float sum;
  private float[] values = new float[0];

  void start(int headDim) {
    this.headDim = headDim;
    max = Float.NEGATIVE_INFINITY;
    sum = 0;
    values = Memory.atLeast(values, headDim);
    Arrays.fill(values, 0, headDim, 0);
  }

  /**
   * Folds {@code count} scores and the rows of values that belong to them.
   *
   * @param scores overwritten
   */
  void fold(float[] scores, float[] rows, int count) {
    float tileMax = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      tileMax = Math.max(tileMax, scores[i]);
    }
    rescale(tileMax);
    float tileSum = 0;
    for (int i = 0; i < count; i++) {
      float weight = (float) Math.exp(scores[i] - max);
      tileSum += weight;
      for (int d = 0; d < headDim; d++) {
        values[d] += weight * rows[i * headDim + d];
      }
    }
    sum += tileSum;
  }

  void fold(SoftmaxState other) {
    rescale(other.max);
    float scale = (float) Math.exp(other.max - max);
    sum += scale * other.sum;
    for (int d = 0; d < headDim; d++) {
      values[d] += scale * other.values[d];
    }
  }

  void finish(float[] output, int at) {
    for (int d = 0; d < headDim; d++) {
      output[at + d] = values[d] / sum;
    }
  }

  private void rescale(float otherMax) {
    if (otherMax <= max) {
      return;
    }
    float scale = (float) Math.exp(max - otherMax); // 0 at the start, where max is minus infinity.
    sum *= scale;
    for (int d = 0; d < headDim; d++) {
      values[d] *= scale;
    }
    max = otherMax;
  }
}
