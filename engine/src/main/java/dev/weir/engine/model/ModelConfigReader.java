package dev.weir.engine.model;

import static dev.weir.engine.load.ModelLoadException.quote;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.load.StrictJson;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Reads {@code config.json} of a Hugging Face model directory. */
public final class ModelConfigReader {

  private static final String CONFIG = "config.json";
  private static final int MAX_CONFIG_BYTES = 1 << 20; // real ones have 1 to 10 KB

  private static final String SLIDING = "sliding_attention";
  private static final String FULL = "full_attention";

  private final JsonFields config;

  private ModelConfigReader(JsonFields config) {
    this.config = config;
  }

  /**
   * Reads and checks the configuration in a directory. Fields Weir does not know are ignored;
   * fields that would change the result and that Weir does not implement are refused.
   *
   * @throws ModelLoadException naming the field, what it says and what is possible
   */
  public static ModelConfig read(Path directory) {
    return readFile(directory.resolve(CONFIG));
  }

  /** Reads a configuration file of any name. */
  public static ModelConfig readFile(Path file) {
    JsonFields config = new JsonFields(file, "", StrictJson.readObject(file, MAX_CONFIG_BYTES));
    return new ModelConfigReader(config).config();
  }

  private ModelConfig config() {
    ModelFamily family = family();
    refuseTheUnimplemented();
    int vocab = config.requireInt("vocab_size", 1, ModelConfig.MAX_VOCAB);
    int hidden = config.requireInt("hidden_size", 1, ModelConfig.MAX_HIDDEN);
    int layers = config.requireInt("num_hidden_layers", 1, ModelConfig.MAX_LAYERS);
    int heads = config.requireInt("num_attention_heads", 1, ModelConfig.MAX_HEADS);
    int kvHeads = config.findInt("num_key_value_heads", 1, ModelConfig.MAX_HEADS).orElse(heads);
    if (heads % kvHeads != 0) {
      throw config.wrong(
          "num_key_value_heads",
          "is %d, which does not divide num_attention_heads %d".formatted(kvHeads, heads));
    }
    int headDim = headDim(hidden, heads);
    int maxPositions =
        config
            .findIntAtMost("max_position_embeddings", 1, ModelConfig.MAX_POSITIONS)
            .orElseThrow(() -> config.wrong("max_position_embeddings", "is missing"));
    boolean attentionBias = config.findBoolean("attention_bias").orElse(false);
    boolean allBiases = family.bias == ModelFamily.Bias.FROM_CONFIG && attentionBias;
    OptionalInt window = slidingWindow(family);
    return new ModelConfig(
        family,
        vocab,
        hidden,
        layers,
        heads,
        kvHeads,
        headDim,
        config.requireInt("intermediate_size", 1, ModelConfig.MAX_INTERMEDIATE),
        config.findDouble("rms_norm_eps", 0, 1).orElse(family.defaultEpsilon),
        RopeReader.read(config, family, headDim, maxPositions),
        maxPositions,
        window,
        firstSlidingLayer(family, window, layers),
        config.findBoolean("tie_word_embeddings").orElse(false),
        family.bias == ModelFamily.Bias.QKV || allBiases,
        allBiases,
        family.qkNorm,
        family.fused,
        config.findString("dtype").or(() -> config.findString("torch_dtype")),
        config.findInt("bos_token_id", 0, vocab - 1),
        config.intOrList("eos_token_id", 0, vocab - 1));
  }

  private ModelFamily family() {
    List<String> architectures = config.strings("architectures");
    Optional<ModelFamily> family =
        architectures.isEmpty()
            ? config.findString("model_type").flatMap(ModelFamily::ofLabel)
            : ModelFamily.ofArchitecture(architectures.getFirst());
    return family.orElseThrow(
        () ->
            config.wrong(
                "architectures",
                architectures.isEmpty()
                    ? "is missing and model_type names no known family"
                    : quote(architectures.getFirst()) + " is not supported",
                "use a model of one of " + ModelFamily.supported()));
  }

  private void refuseTheUnimplemented() {
    if (config.has("quantization_config") || config.has("compression_config")) {
      String name =
          config.has("quantization_config") ? "quantization_config" : "compression_config";
      String method =
          config.findObject(name).flatMap(q -> q.findString("quant_method")).orElse("unnamed");
      throw config.wrong(
          name,
          "says the weights are quantised (method %s), which is not supported"
              .formatted(quote(method)),
          "use an unquantised checkpoint of the model (bf16, f16 or f32)");
    }
    String activation = config.findString("hidden_act").orElse("silu");
    if (!activation.equals("silu") && !activation.equals("swish")) {
      throw config.wrong("hidden_act", quote(activation) + " is not supported, only silu is");
    }
    if (config.findBoolean("mlp_bias").orElse(false)) {
      throw config.wrong("mlp_bias", "is true; feed-forward biases are not supported");
    }
  }

  private int headDim(int hidden, int heads) {
    OptionalInt explicit = config.findInt("head_dim", 1, ModelConfig.MAX_HEAD_DIM);
    if (explicit.isEmpty() && hidden % heads != 0) {
      throw config.wrong(
          "num_attention_heads",
          "is %d, which does not divide hidden_size %d, and there is no head_dim"
              .formatted(heads, hidden));
    }
    int headDim = explicit.orElse(hidden / heads);
    if (headDim % 2 != 0 || headDim > ModelConfig.MAX_HEAD_DIM) {
      throw config.wrong(
          "head_dim",
          "is %d, expected an even number up to %d".formatted(headDim, ModelConfig.MAX_HEAD_DIM));
    }
    return headDim;
  }

  private OptionalInt slidingWindow(ModelFamily family) {
    boolean applies =
        switch (family.window) {
          case NONE -> false;
          case ALL_LAYERS -> true;
          case UPPER_LAYERS -> config.findBoolean("use_sliding_window").orElse(false);
        };
    if (!applies || config.isNull("sliding_window")) {
      return OptionalInt.empty();
    }
    OptionalInt window = config.findIntAtMost("sliding_window", 1, ModelConfig.MAX_POSITIONS);
    if (window.isEmpty() && family.defaultWindow > 0) {
      return OptionalInt.of(family.defaultWindow);
    }
    return window;
  }

  private int firstSlidingLayer(ModelFamily family, OptionalInt window, int layers) {
    if (window.isEmpty() || family.window != ModelFamily.Window.UPPER_LAYERS) {
      return 0;
    }
    List<String> types = config.strings("layer_types");
    if (types.isEmpty()) {
      return config
          .findIntAtMost("max_window_layers", 0, layers)
          .orElseThrow(() -> config.wrong("max_window_layers", "is missing"));
    }
    int first = types.contains(SLIDING) ? types.indexOf(SLIDING) : layers;
    boolean fullThenSliding =
        types.size() == layers
            && types.subList(0, first).stream().allMatch(FULL::equals)
            && types.subList(first, layers).stream().allMatch(SLIDING::equals);
    if (!fullThenSliding) {
      throw config.wrong(
          "layer_types",
          "must list %d layers, first those of %s, then those of %s"
              .formatted(layers, FULL, SLIDING));
    }
    return first;
  }
}
