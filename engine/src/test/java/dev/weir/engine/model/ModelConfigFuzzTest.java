package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.load.ModelLoadException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelConfigFuzzTest {

  private static final long SEED = 20261121;
  private static final int ROUNDS = 1000;
  private static final List<String> FIELDS =
      List.of(
          "architectures",
          "vocab_size",
          "hidden_size",
          "num_hidden_layers",
          "num_attention_heads",
          "num_key_value_heads",
          "head_dim",
          "intermediate_size",
          "max_position_embeddings",
          "rms_norm_eps",
          "rope_theta",
          "rope_scaling",
          "rope_parameters",
          "partial_rotary_factor",
          "sliding_window",
          "use_sliding_window",
          "max_window_layers",
          "layer_types",
          "hidden_act",
          "tie_word_embeddings",
          "attention_bias",
          "mlp_bias",
          "quantization_config",
          "dtype",
          "bos_token_id",
          "eos_token_id");

  private static final List<String> VALUES =
      List.of(
          "0",
          "1",
          "2",
          "3",
          "4",
          "8",
          "16",
          "64",
          "256",
          "1023",
          "65536",
          "2147483647",
          "-1",
          "2147483648",
          "-9223372036854775809",
          "1e308",
          "1e-308",
          "0.5",
          "1.5",
          "1e999",
          "null",
          "true",
          "false",
          "\"\"",
          "\"silu\"",
          "\"yarn\"",
          "[]",
          "[1]",
          "[[1]]",
          "{}",
          "[\"sliding_attention\"]",
          "absent");

  private static final List<String> NUMBERS =
      List.of("0", "1", "1.0", "2", "4", "32", "64", "1e3", "1e9", "1e-9", "-1", "null", "[]");

  private static final List<String> ROPE_NUMBERS =
      List.of(
          "factor",
          "low_freq_factor",
          "high_freq_factor",
          "beta_fast",
          "original_max_position_embeddings");

  @TempDir Path folder;

  @Test
  void whatever_a_configuration_says_it_is_consistent_or_refused() {
    Random random = new Random(SEED);
    int read = 0;
    for (int round = 0; round < ROUNDS; round++) {
      Map<String, String> changes = changes(random);
      String architecture = pick(Arrays.asList(ModelFamily.values()), random).architecture();
      try {
        check(TinyModels.read(folder, architecture, changes), round);
        read++;
      } catch (ModelLoadException e) {
        assertThat(e.getMessage()).as("round %d", round).contains("config.json");
      }
    }
    // Both outcomes must occur, or the mutations are too wild or too tame to test anything.
    assertThat(read).isBetween(ROUNDS / 50, ROUNDS / 2);
  }

  private static Map<String, String> changes(Random random) {
    Map<String, String> changes = new HashMap<>();
    for (int i = 1 + random.nextInt(2); i > 0; i--) {
      changes.put(pick(FIELDS, random), pick(VALUES, random));
    }
    if (random.nextBoolean()) {
      List<String> kinds = List.of("default", "linear", "llama3", "yarn", "longrope", "?");
      changes.put("rope_scaling", rope(pick(kinds, random), random));
    }
    return changes;
  }

  private static String rope(String type, Random random) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("rope_type", '"' + type + '"');
    for (String name : ROPE_NUMBERS) {
      fields.put(name, pick(NUMBERS, random));
    }
    fields.put("short_factor", "[" + pick(NUMBERS, random) + ",1]");
    fields.put("long_factor", "[2," + pick(NUMBERS, random) + "]");
    return TinyModels.json(fields);
  }

  private static void check(ModelConfig config, int round) {
    assertThat(config.attentionHeads() % config.kvHeads()).as("round %d", round).isZero();
    assertThat(config.queryRows()).as("round %d", round).isPositive();
    assertThat(config.contextLength())
        .as("round %d", round)
        .isBetween(1, ModelConfig.MAX_POSITIONS);
    for (int layer = 0; layer < config.layers(); layer++) {
      assertThat(config.windowOf(layer).orElse(1)).as("round %d", round).isPositive();
    }
    assertThat(ModelLayout.of(config).layers()).as("round %d", round).hasSize(config.layers());
    RotaryFrequencies frequencies = RotaryFrequencies.of(config.rope(), config.contextLength());
    assertThat(frequencies.pairs() * 2)
        .as("round %d", round)
        .isPositive()
        .isLessThanOrEqualTo(config.headDim());
    assertThat(frequencies.attentionScaling()).as("round %d", round).isPositive().isFinite();
    for (int i = 0; i < frequencies.pairs(); i++) {
      assertThat(frequencies.inverseFrequency(i))
          .as("round %d, pair %d of %s", round, i, config.rope())
          .isPositive()
          .isFinite();
    }
  }

  private static <T> T pick(List<T> values, Random random) {
    return values.get(random.nextInt(values.size()));
  }
}
