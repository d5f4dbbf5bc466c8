package dev.weir.engine.model;

import static dev.weir.engine.load.ModelLoadException.quote;

import java.util.OptionalDouble;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * Reads the rotary settings of a config.json, in both spellings: {@code rope_theta} beside {@code
 * rope_scaling}, and {@code rope_parameters} that holds everything (transformers 5).
 */
final class RopeReader {

  private static final double DEFAULT_THETA = 10_000;
  private static final double LEAST_THETA = 1 + 1e-9; // its logarithm must not vanish
  private static final double MOST_THETA = 1e12; // public models reach 5e7
  private static final double MOST_FACTOR = 1e4; // public models reach 64
  private static final double LEAST_FREQUENCY_FACTOR = 1e-3;
  private static final double DEFAULT_BETA_FAST = 32; // arXiv 2309.00071, section 3.2
  private static final double DEFAULT_BETA_SLOW = 1;
  private static final double MOST_ATTENTION_SCALING = 1e3;

  private final JsonFields config;
  private final JsonFields scaling;
  private final ModelFamily family;
  private final int maxPositions;

  private RopeReader(JsonFields config, JsonFields scaling, ModelFamily family, int maxPositions) {
    this.config = config;
    this.scaling = scaling;
    this.family = family;
    this.maxPositions = maxPositions;
  }

  static RopeConfig read(JsonFields config, ModelFamily family, int headDim, int maxPositions) {
    JsonFields none = new JsonFields(config.file(), "", JsonNodeFactory.instance.objectNode());
    JsonFields scaling =
        config
            .findObject("rope_scaling")
            .or(() -> config.findObject("rope_parameters"))
            .orElse(none);
    return new RopeReader(config, scaling, family, maxPositions).rope(headDim);
  }

  private RopeConfig rope(int headDim) {
    double theta = eitherPlace("rope_theta", LEAST_THETA, MOST_THETA).orElse(DEFAULT_THETA);
    double partial = eitherPlace("partial_rotary_factor", 0, 1).orElse(1);
    int rotaryDim = (int) (headDim * partial);
    if (rotaryDim == 0 || rotaryDim % 2 != 0) {
      throw config.wrong(
          "partial_rotary_factor",
          "gives %d rotated elements of %d, expected an even number above 0"
              .formatted(rotaryDim, headDim));
    }
    return new RopeConfig(theta, rotaryDim, scaling(rotaryDim));
  }

  private OptionalDouble eitherPlace(String name, double least, double most) {
    OptionalDouble value = scaling.findDouble(name, least, most);
    return value.isPresent() ? value : config.findDouble(name, least, most);
  }

  private RopeConfig.Scaling scaling(int rotaryDim) {
    String type =
        scaling.findString("rope_type").or(() -> scaling.findString("type")).orElse("default");
    // Early Phi-3 files call LongRoPE by these names.
    if (family == ModelFamily.PHI3 && (type.equals("su") || type.equals("yarn"))) {
      type = "longrope";
    }
    return switch (type) {
      case "default" -> new RopeConfig.None();
      case "linear" -> new RopeConfig.Linear(scaling.requireDouble("factor", 1, MOST_FACTOR));
      case "llama3" -> llama3();
      case "yarn" -> yarn();
      case "longrope" -> longRope(rotaryDim);
      default ->
          throw scaling.wrong(
              "rope_type",
              quote(type) + " is not supported, only default, linear, llama3, yarn and longrope");
    };
  }

  private RopeConfig.Llama3 llama3() {
    double low = scaling.requireDouble("low_freq_factor", LEAST_FREQUENCY_FACTOR, MOST_FACTOR);
    double high = scaling.requireDouble("high_freq_factor", LEAST_FREQUENCY_FACTOR, MOST_FACTOR);
    if (high <= low) {
      throw scaling.wrong("high_freq_factor", "must be above low_freq_factor");
    }
    double factor = scaling.requireDouble("factor", 1, MOST_FACTOR);
    return new RopeConfig.Llama3(factor, low, high, originalPositions());
  }

  private RopeConfig.Yarn yarn() {
    int original = originalPositions();
    double factor = stretch(original);
    double fast =
        scaling
            .findDouble("beta_fast", LEAST_FREQUENCY_FACTOR, MOST_FACTOR)
            .orElse(DEFAULT_BETA_FAST);
    double slow =
        scaling
            .findDouble("beta_slow", LEAST_FREQUENCY_FACTOR, MOST_FACTOR)
            .orElse(DEFAULT_BETA_SLOW);
    if (fast < slow) {
      throw scaling.wrong("beta_fast", "must not be below beta_slow");
    }
    double attentionScaling =
        attentionScaling()
            .orElseGet(
                () ->
                    RopeConfig.yarnAttentionScaling(
                        factor,
                        scaling.findDouble("mscale", 0, MOST_ATTENTION_SCALING),
                        scaling.findDouble("mscale_all_dim", 0, MOST_ATTENTION_SCALING)));
    boolean truncate = scaling.findBoolean("truncate").orElse(true);
    return new RopeConfig.Yarn(factor, original, fast, slow, attentionScaling, truncate);
  }

  private RopeConfig.LongRope longRope(int rotaryDim) {
    int original = originalPositions();
    double factor = stretch(original);
    return new RopeConfig.LongRope(
        scaling.requireDoubles("short_factor", rotaryDim / 2, LEAST_FREQUENCY_FACTOR, MOST_FACTOR),
        scaling.requireDoubles("long_factor", rotaryDim / 2, LEAST_FREQUENCY_FACTOR, MOST_FACTOR),
        original,
        attentionScaling().orElseGet(() -> RopeConfig.longRopeAttentionScaling(factor, original)));
  }

  /** Beside the scaling in Phi-3's files, inside it elsewhere; the former wins where both are. */
  private int originalPositions() {
    String name = "original_max_position_embeddings";
    JsonFields place = config.has(name) ? config : scaling;
    return place.findInt(name, 2, ModelConfig.MAX_POSITIONS).orElse(Math.max(2, maxPositions));
  }

  private double stretch(int originalPositions) {
    return scaling
        .findDouble("factor", 1, MOST_FACTOR)
        .orElse(Math.max(1, (double) maxPositions / originalPositions));
  }

  private OptionalDouble attentionScaling() {
    return scaling.findDouble("attention_factor", LEAST_FREQUENCY_FACTOR, MOST_ATTENTION_SCALING);
  }
}
