package dev.weir.kernels.reference;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.StepInputs;
import org.jspecify.annotations.Nullable;

/** RMS norm (Zhang and Sennrich 2019) with the residual add before it. */
final class NormReference {
  private float[] weights = new float[0];
  private float[] row = new float[0];
  private float[] added = new float[0];

  void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    grow(dim);
    Memory.read(weight, 0, weights, dim);
    for (int t = 0; t < rows; t++) {
      long at = (long) t * dim;
      Memory.read(residual, at, row, dim);
      if (delta != null) {
        add(delta, at, dim);
        Memory.write(row, 0, dim, residual, at);
      }
      normalise(row, 0, dim, weights, epsilon);
      Memory.write(row, 0, dim, out, at);
    }
  }

  void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    grow(dim);
    Memory.read(weight, 0, weights, dim);
    for (int r = 0; r < step.samples(); r++) {
      long from = (long) Memory.readInt(step.sampleRows(), r) * dim;
      Memory.read(residual, from, row, dim);
      add(delta, from, dim);
      normalise(row, 0, dim, weights, epsilon);
      Memory.write(row, 0, dim, out, (long) r * dim);
    }
  }

  static void normalise(float[] row, int at, int dim, float[] weights, float epsilon) {
    float scale = (float) (1 / Math.sqrt(Memory.dot(row, at, row, at, dim) / dim + epsilon));
    for (int i = 0; i < dim; i++) {
      row[at + i] = row[at + i] * scale * weights[i];
    }
  }

  private void add(Buffer delta, long at, int dim) {
    Memory.read(delta, at, added, dim);
    for (int i = 0; i < dim; i++) {
      row[i] += added[i];
    }
  }

  private void grow(int dim) {
    weights = Memory.atLeast(weights, dim);
    row = Memory.atLeast(row, dim);
    added = Memory.atLeast(added, dim);
  }
}
