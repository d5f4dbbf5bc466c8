package dev.weir.tests.gpucheck;

import dev.weir.kernels.AttentionShape;
import java.util.List;

/**
 * The shapes of a model's ops.
 *
 * @param qkNorm whether queries and keys are normed before rotation
 */
record Shape(
    String name,
    int hidden,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int intermediate,
    int vocabulary,
    boolean qkNorm) {

  static final Shape QWEN3_0_6B =
      new Shape("Qwen3-0.6B", 1024, 28, 16, 8, 128, 3072, 151_936, true);
  static final Shape LLAMA_3_2_1B =
      new Shape("Llama-3.2-1B", 2048, 16, 32, 8, 64, 8192, 128_256, false);
  static final Shape LLAMA_3_1_8B =
      new Shape("Llama-3.1-8B", 4096, 32, 32, 8, 128, 14_336, 128_256, false);

  /** As small as every kernel allows. */
  static final Shape TINY = new Shape("tiny", 256, 2, 4, 2, 64, 512, 1000, true);

  static List<Shape> of(boolean smoke) {
    return smoke ? List.of(TINY) : List.of(LLAMA_3_1_8B, QWEN3_0_6B, LLAMA_3_2_1B);
  }

  /** One matrix of a layer: outputs × inputs. */
  record Linear(String name, int rows, int columns) {}

  List<Linear> linears() {
    return List.of(
        new Linear("qkv", attention().qkvColumns(), hidden),
        new Linear("o", hidden, heads * headDim),
        new Linear("gate_up", 2 * intermediate, hidden),
        new Linear("down", hidden, intermediate));
  }

  Linear head() {
    return new Linear("head", vocabulary, hidden);
  }

  AttentionShape attention() {
    float scale = (float) (1 / Math.sqrt(headDim));
    return new AttentionShape(heads, kvHeads, headDim, scale, AttentionShape.NO_WINDOW, 0);
  }
}
