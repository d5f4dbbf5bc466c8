package dev.weir.trainer;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The sizes of a Llama-family model with tied embeddings.
 *
 * @param vocabulary the number of tokens
 * @param hidden the width of the residual stream
 * @param layers the number of layers
 * @param heads the number of query heads
 * @param kvHeads the number of key and value heads
 * @param headSize the width of a head
 * @param intermediate the width of the feed-forward part
 * @param context the greatest number of positions
 */
record ModelShape(
    int vocabulary,
    int hidden,
    int layers,
    int heads,
    int kvHeads,
    int headSize,
    int intermediate,
    int context) {
  /** The base of the rotary frequencies (Su et al. 2021). */
  static final double ROPE_THETA = 10000;

  /** Keeps the root mean square from being 0. */
  static final double NORM_EPSILON = 1e-5;

  ModelShape {
    if (heads % kvHeads != 0) {
      throw new IllegalArgumentException(heads + " heads do not share " + kvHeads + " kv heads");
    }
  }

  /** The weights' names, as Hugging Face's Llama has them, and shapes (rows are outputs). */
  Map<String, long[]> weights() {
    Map<String, long[]> weights = new LinkedHashMap<>();
    long queries = (long) heads * headSize;
    long keys = (long) kvHeads * headSize;
    weights.put("model.embed_tokens.weight", new long[] {vocabulary, hidden});
    for (int layer = 0; layer < layers; layer++) {
      String prefix = "model.layers." + layer + ".";
      weights.put(prefix + "input_layernorm.weight", new long[] {hidden});
      weights.put(prefix + "self_attn.q_proj.weight", new long[] {queries, hidden});
      weights.put(prefix + "self_attn.k_proj.weight", new long[] {keys, hidden});
      weights.put(prefix + "self_attn.v_proj.weight", new long[] {keys, hidden});
      weights.put(prefix + "self_attn.o_proj.weight", new long[] {hidden, queries});
      weights.put(prefix + "post_attention_layernorm.weight", new long[] {hidden});
      weights.put(prefix + "mlp.gate_proj.weight", new long[] {intermediate, hidden});
      weights.put(prefix + "mlp.up_proj.weight", new long[] {intermediate, hidden});
      weights.put(prefix + "mlp.down_proj.weight", new long[] {hidden, intermediate});
    }
    weights.put("model.norm.weight", new long[] {hidden});
    return weights;
  }

  /** The number of trained values. */
  long parameters() {
    return weights().values().stream().mapToLong(Bfloat16::elements).sum();
  }
}
