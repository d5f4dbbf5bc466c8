package dev.weir.trainer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Embedding;
import ai.djl.nn.core.Linear;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The forward pass of a Llama-family model in float32, without any cache: every position is
 * computed anew, so that it is an oracle for engines that keep one.
 *
 * <p>Shapes: B rows, T positions, D hidden, H heads, G key/value heads, S head size.
 */
final class LlamaModel {
  /** Small enough that its exponential is 0 in float32, large enough to stay finite. */
  private static final float MASKED = -1e9f;

  /** The deviation of the embeddings at the start; they are the output weights, too. */
  private static final double EMBEDDING_DEVIATION = 0.05;

  private final ModelShape shape;
  private final Map<String, NDArray> weights = new LinkedHashMap<>();
  private final NDManager manager;
  private final Map<Integer, Positions> positions = new LinkedHashMap<>();

  /**
   * What depends on the number of positions alone: rotations {@code [T, S]}, mask {@code [T, T]}.
   */
  private record Positions(NDArray cos, NDArray sin, NDArray mask) {}

  private LlamaModel(ModelShape shape, NDManager manager, Map<String, float[]> values) {
    this.shape = shape;
    this.manager = manager;
    shape
        .weights()
        .forEach(
            (name, size) -> {
              float[] value = values.get(name);
              if (value == null) {
                throw new IllegalArgumentException("no weight " + name);
              }
              weights.put(name, manager.create(value, new Shape(size)));
            });
  }

  /** Returns a model with the given weights, which live as long as the manager. */
  static LlamaModel of(ModelShape shape, NDManager manager, Map<String, float[]> values) {
    return new LlamaModel(shape, manager, values);
  }

  /** Returns an untrained model. */
  static LlamaModel initial(ModelShape shape, NDManager manager, long seed) {
    Dice dice = new Dice(seed);
    Map<String, float[]> values = new LinkedHashMap<>();
    shape
        .weights()
        .forEach(
            (name, size) -> {
              float[] value = new float[Math.toIntExact(Bfloat16.elements(size))];
              double deviation = initialDeviation(shape, name, size);
              for (int i = 0; i < value.length; i++) {
                value[i] = size.length == 1 ? 1 : (float) (deviation * dice.gaussian());
              }
              values.put(name, value);
            });
    return of(shape, manager, values);
  }

  /** Keeps the variance through each product, and the residual stream's over all layers. */
  private static double initialDeviation(ModelShape shape, String name, long[] size) {
    if (name.equals("model.embed_tokens.weight")) {
      return EMBEDDING_DEVIATION;
    }
    double deviation = 1 / Math.sqrt((double) size[size.length - 1]);
    boolean endsBranch = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
    return endsBranch ? deviation / Math.sqrt(2.0 * shape.layers()) : deviation;
  }

  ModelShape shape() {
    return shape;
  }

  /** The weights by name; the arrays are the model's own. */
  Map<String, NDArray> weights() {
    return weights;
  }

  /** Returns a copy of the weights' values by name. */
  Map<String, float[]> values() {
    Map<String, float[]> values = new LinkedHashMap<>();
    weights.forEach((name, weight) -> values.put(name, weight.toFloatArray()));
    return values;
  }

  /**
   * Returns the logits {@code [n, vocabulary]} after the chosen positions.
   *
   * @param step the manager of all that the pass makes
   * @param tokens the ids {@code [B * T]}, row after row
   * @param chosen the wanted positions {@code [n]}, as indexes into the tokens
   */
  NDArray logits(NDManager step, long[] tokens, int rows, int length, long[] chosen) {
    Positions at = positions.computeIfAbsent(length, this::positions);
    NDArray embeddings = weight("model.embed_tokens.weight");
    NDArray stream = rowsOf(embeddings, step.create(tokens));
    for (int layer = 0; layer < shape.layers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      NDArray normed = norm(stream, weight(prefix + "input_layernorm.weight"));
      stream = stream.add(attention(normed, prefix + "self_attn.", rows, length, at));
      normed = norm(stream, weight(prefix + "post_attention_layernorm.weight"));
      stream = stream.add(feedForward(normed, prefix + "mlp."));
    }
    NDArray wanted = rowsOf(stream, step.create(chosen));
    return linear(norm(wanted, weight("model.norm.weight")), embeddings);
  }

  private NDArray attention(NDArray input, String prefix, int rows, int length, Positions at) {
    int size = shape.headSize();
    int heads = shape.heads();
    int kvHeads = shape.kvHeads();
    int group = heads / kvHeads;
    NDArray queries =
        rotate(byHead(linear(input, weight(prefix + "q_proj.weight")), rows, length, heads), at)
            .mul(1 / Math.sqrt(size));
    NDArray keys =
        rotate(byHead(linear(input, weight(prefix + "k_proj.weight")), rows, length, kvHeads), at);
    NDArray values = byHead(linear(input, weight(prefix + "v_proj.weight")), rows, length, kvHeads);
    // The query heads of a group stand under one another, so that one product serves them all.
    NDArray scores =
        queries
            .reshape((long) rows * kvHeads, (long) group * length, size)
            .matMul(keys.reshape((long) rows * kvHeads, length, size).transpose(0, 2, 1))
            .reshape((long) rows * heads, length, length)
            .add(at.mask())
            .softmax(-1);
    NDArray mixed =
        scores
            .reshape((long) rows * kvHeads, (long) group * length, length)
            .matMul(values.reshape((long) rows * kvHeads, length, size))
            .reshape(rows, heads, length, size)
            .transpose(0, 2, 1, 3)
            .reshape((long) rows * length, (long) heads * size);
    return linear(mixed, weight(prefix + "o_proj.weight"));
  }

  private NDArray feedForward(NDArray input, String prefix) {
    NDArray gate = linear(input, weight(prefix + "gate_proj.weight"));
    NDArray up = linear(input, weight(prefix + "up_proj.weight"));
    NDArray gated = gate.mul(Activation.sigmoid(gate)).mul(up);
    return linear(gated, weight(prefix + "down_proj.weight"));
  }

  /** Returns {@code [B * T, heads * S]} as {@code [B, heads, T, S]}. */
  private NDArray byHead(NDArray flat, int rows, int length, int heads) {
    return flat.reshape(rows, length, heads, shape.headSize()).transpose(0, 2, 1, 3);
  }

  /** Rotates the pairs (i, i + S/2), as Hugging Face's Llama pairs them. */
  private NDArray rotate(NDArray input, Positions at) {
    int half = shape.headSize() / 2;
    NDArray first = input.get("..., :" + half);
    NDArray second = input.get("..., " + half + ":");
    return input.mul(at.cos()).add(second.neg().concat(first, -1).mul(at.sin()));
  }

  private static NDArray norm(NDArray input, NDArray weight) {
    NDArray meanSquare = input.mul(input).mean(new int[] {-1}, true);
    return input.div(meanSquare.add(ModelShape.NORM_EPSILON).sqrt()).mul(weight);
  }

  private static NDArray linear(NDArray input, NDArray weight) {
    return Linear.linear(input, weight).singletonOrThrow();
  }

  private static NDArray rowsOf(NDArray table, NDArray indexes) {
    return Embedding.embedding(indexes, table, SparseFormat.DENSE).singletonOrThrow();
  }

  private NDArray weight(String name) {
    NDArray weight = weights.get(name);
    if (weight == null) {
      throw new IllegalArgumentException("no weight " + name);
    }
    return weight;
  }

  private Positions positions(int length) {
    if (length > shape.context()) {
      throw new IllegalArgumentException(length + " positions, context " + shape.context());
    }
    int size = shape.headSize();
    float[] cos = new float[length * size];
    float[] sin = new float[length * size];
    float[] mask = new float[length * length];
    for (int position = 0; position < length; position++) {
      for (int i = 0; i < size; i++) {
        int pair = i % (size / 2);
        double angle = position / Math.pow(ModelShape.ROPE_THETA, 2.0 * pair / size);
        cos[position * size + i] = (float) Math.cos(angle);
        sin[position * size + i] = (float) Math.sin(angle);
      }
      for (int later = position + 1; later < length; later++) {
        mask[position * length + later] = MASKED;
      }
    }
    return new Positions(
        manager.create(cos, new Shape(length, size)),
        manager.create(sin, new Shape(length, size)),
        manager.create(mask, new Shape(length, length)));
  }
}
