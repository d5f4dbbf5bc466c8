package dev.weir.kernels.reference;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.StepInputs;
import java.util.Arrays;

/** Embedding and matrix products: a weight row is widened once and meets all tokens. */
final class LinearReference {
  private float[] inputs = new float[0];
  private float[] weightRow = new float[0];
  private float[] outputs = new float[0];

  void embed(StepInputs step, LinearWeight table, Buffer out) {
    int hidden = table.columns();
    weightRow = Memory.atLeast(weightRow, hidden);
    for (int t = 0; t < step.tokens(); t++) {
      int token = token(step, Memory.readInt(step.tokenIds(), t));
      if (token == SampleLayout.NO_TOKEN) {
        Arrays.fill(weightRow, 0, hidden, 0);
      } else {
        Memory.widen(table.type(), table.packed(), (long) token * hidden, weightRow, hidden);
      }
      Memory.write(weightRow, 0, hidden, out, (long) t * hidden);
    }
  }

  /** The token itself, or the one that the step before drew. */
  private static int token(StepInputs step, int id) {
    Buffer drawn = step.drawn();
    if (id >= 0 || drawn == null) {
      return id;
    }
    long row = (long) (-1 - id) * SampleLayout.RESULT_BYTES + SampleLayout.RESULT_TOKEN;
    return Memory.readInt(drawn, row / Integer.BYTES);
  }

  void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
    int columns = weight.columns();
    int features = weight.rows();
    inputs = Memory.atLeast(inputs, Math.multiplyExact(rows, columns));
    weightRow = Memory.atLeast(weightRow, columns);
    outputs = Memory.atLeast(outputs, Math.multiplyExact(rows, features));
    Memory.read(in, 0, inputs, rows * columns);
    for (int n = 0; n < features; n++) {
      Memory.widen(weight.type(), weight.packed(), (long) n * columns, weightRow, columns);
      float bias = weight.bias() == null ? 0 : Memory.readFloat(weight.bias(), n);
      for (int t = 0; t < rows; t++) {
        outputs[t * features + n] = Memory.dot(weightRow, 0, inputs, t * columns, columns) + bias;
      }
    }
    Memory.write(outputs, 0, rows * features, out, 0);
  }
}
