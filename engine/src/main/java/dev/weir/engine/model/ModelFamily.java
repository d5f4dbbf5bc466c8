package dev.weir.engine.model;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The decoder families Weir runs, one line of data each. All share pre-norm blocks, rotary
 * positions, grouped-query attention and a gated SiLU feed-forward; what differs is below. Source:
 * the configuration classes and modelling code of Hugging Face transformers 5.18.
 */
public enum ModelFamily {
  /** Llama 2, 3.x and all that took its shape. */
  LLAMA("llama", "LlamaForCausalLM", Bias.FROM_CONFIG, false, false, Window.NONE, 0, 1e-6),
  /** Mistral 7B and successors: a window over all layers, 4096 where the file does not say. */
  MISTRAL("mistral", "MistralForCausalLM", Bias.NEVER, false, false, Window.ALL_LAYERS, 4096, 1e-6),
  /**
   * Qwen 2 and 2.5: biased query, key and value; a window over the upper layers, if switched on.
   */
  QWEN2("qwen2", "Qwen2ForCausalLM", Bias.QKV, false, false, Window.UPPER_LAYERS, 4096, 1e-6),
  /** Qwen 3 (dense): query and key heads are normalised. */
  QWEN3(
      "qwen3", "Qwen3ForCausalLM", Bias.FROM_CONFIG, true, false, Window.UPPER_LAYERS, 4096, 1e-6),
  /** Phi-3, 3.5 and 4-mini: query, key and value in one tensor, gate and up in another. */
  PHI3("phi3", "Phi3ForCausalLM", Bias.NEVER, false, true, Window.ALL_LAYERS, 0, 1e-5);

  /** Which attention projections carry a bias. */
  enum Bias {
    NEVER,
    /** Query, key and value. */
    QKV,
    /** All four projections if {@code attention_bias} is true. */
    FROM_CONFIG
  }

  /** What {@code sliding_window} applies to. */
  enum Window {
    NONE,
    ALL_LAYERS,
    /** Layers from {@code max_window_layers} on, and only if {@code use_sliding_window}. */
    UPPER_LAYERS
  }

  private final String label;
  private final String architecture;
  final Bias bias;
  final boolean qkNorm;
  final boolean fused;
  final Window window;
  final int defaultWindow;
  final double defaultEpsilon;

  ModelFamily(
      String label,
      String architecture,
      Bias bias,
      boolean qkNorm,
      boolean fused,
      Window window,
      int defaultWindow,
      double defaultEpsilon) {
    this.label = label;
    this.architecture = architecture;
    this.bias = bias;
    this.qkNorm = qkNorm;
    this.fused = fused;
    this.window = window;
    this.defaultWindow = defaultWindow;
    this.defaultEpsilon = defaultEpsilon;
  }

  /** The family's short name, as {@code model_type} has it. */
  public String label() {
    return label;
  }

  /** Its name in {@code architectures} of config.json. */
  public String architecture() {
    return architecture;
  }

  static Optional<ModelFamily> ofArchitecture(String architecture) {
    return Arrays.stream(values()).filter(f -> f.architecture.equals(architecture)).findFirst();
  }

  static Optional<ModelFamily> ofLabel(String label) {
    return Arrays.stream(values()).filter(f -> f.label.equals(label)).findFirst();
  }

  static String supported() {
    return Arrays.stream(values()).map(ModelFamily::architecture).collect(Collectors.joining(", "));
  }
}
