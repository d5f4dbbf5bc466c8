package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.ModelLoadException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelConfigReaderTest {

  private static final String LLAMA = "LlamaForCausalLM";

  @TempDir Path folder;

  @Test
  void a_llama_configuration_is_read() {
    ModelConfig config =
        TinyModels.read(
            folder,
            LLAMA,
            Map.of(
                "rms_norm_eps", "1e-05",
                "rope_theta", "500000.0",
                "tie_word_embeddings", "true",
                "torch_dtype", "\"bfloat16\"",
                "bos_token_id", "1",
                "eos_token_id", "[2, 3]"));

    assertThat(config.family()).isEqualTo(ModelFamily.LLAMA);
    assertThat(config.headDim()).isEqualTo(4);
    assertThat(config.queryRows()).isEqualTo(16);
    assertThat(config.kvRows()).isEqualTo(8);
    assertThat(config.rmsNormEps()).isEqualTo(1e-5);
    assertThat(config.rope()).isEqualTo(new RopeConfig(500_000, 4, new RopeConfig.None()));
    assertThat(config.tieWordEmbeddings()).isTrue();
    assertThat(config.qkvBias()).isFalse();
    assertThat(config.slidingWindow()).isEmpty();
    assertThat(config.storedType()).contains("bfloat16");
    assertThat(config.bosId()).hasValue(1);
    assertThat(config.eosIds()).containsExactly(2, 3);
    assertThat(config.contextLength()).isEqualTo(64);
  }

  @ParameterizedTest
  @CsvSource({
    "LlamaForCausalLM,   false, false, false, false",
    "MistralForCausalLM, false, false, false, false",
    "Qwen2ForCausalLM,   true,  false, false, false",
    "Qwen3ForCausalLM,   false, false, true,  false",
    "Phi3ForCausalLM,    false, false, false, true"
  })
  void families_differ_in_biases_norms_and_fusion(
      String architecture, boolean qkvBias, boolean outputBias, boolean qkNorm, boolean fused) {
    ModelConfig config = TinyModels.read(folder, architecture, Map.of());

    assertThat(config.family().architecture()).isEqualTo(architecture);
    assertThat(config.qkvBias()).isEqualTo(qkvBias);
    assertThat(config.outputBias()).isEqualTo(outputBias);
    assertThat(config.qkNorm()).isEqualTo(qkNorm);
    assertThat(config.fusedProjections()).isEqualTo(fused);
  }

  @Test
  void attention_bias_gives_llama_four_biases() {
    ModelConfig config = TinyModels.read(folder, LLAMA, Map.of("attention_bias", "true"));

    assertThat(config.qkvBias()).isTrue();
    assertThat(config.outputBias()).isTrue();
  }

  @Test
  void an_explicit_head_dim_need_not_divide_the_hidden_size() {
    ModelConfig config = TinyModels.read(folder, "Qwen3ForCausalLM", Map.of("head_dim", "128"));

    assertThat(config.headDim()).isEqualTo(128);
    assertThat(config.queryRows()).isEqualTo(512);
  }

  @Test
  void without_kv_heads_every_head_has_its_own() {
    assertThat(TinyModels.read(folder, LLAMA, Map.of("num_key_value_heads", "null")).kvHeads())
        .isEqualTo(4);
  }

  @Test
  void mistral_slides_in_all_layers_and_null_means_never() {
    ModelConfig sliding =
        TinyModels.read(folder, "MistralForCausalLM", Map.of("sliding_window", "16"));
    assertThat(sliding.windowOf(0)).hasValue(16);
    assertThat(sliding.windowOf(1)).hasValue(16);

    ModelConfig unsaid =
        TinyModels.read(folder, "MistralForCausalLM", Map.of("sliding_window", TinyModels.ABSENT));
    assertThat(unsaid.windowOf(0)).hasValue(4096);

    ModelConfig never =
        TinyModels.read(folder, "MistralForCausalLM", Map.of("sliding_window", "null"));
    assertThat(never.windowOf(0)).isEmpty();
  }

  @Test
  void qwen_slides_in_the_upper_layers_only_and_only_if_switched_on() {
    Map<String, String> off =
        Map.of("sliding_window", "16", "max_window_layers", "1", "use_sliding_window", "false");
    assertThat(TinyModels.read(folder, "Qwen2ForCausalLM", off).windowOf(1)).isEmpty();

    Map<String, String> on =
        Map.of("sliding_window", "16", "max_window_layers", "1", "use_sliding_window", "true");
    ModelConfig config = TinyModels.read(folder, "Qwen2ForCausalLM", on);
    assertThat(config.windowOf(0)).isEmpty();
    assertThat(config.windowOf(1)).hasValue(16);

    Map<String, String> listed =
        Map.of(
            "sliding_window", "16",
            "use_sliding_window", "true",
            "layer_types", "[\"full_attention\",\"sliding_attention\"]");
    assertThat(TinyModels.read(folder, "Qwen2ForCausalLM", listed)).isEqualTo(config);
  }

  @Test
  void both_spellings_of_rope_mean_the_same() {
    String llama3 =
        "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
            + "\"original_max_position_embeddings\":32,\"rope_type\":\"llama3\"";
    ModelConfig older =
        TinyModels.read(
            folder, LLAMA, Map.of("rope_theta", "5e5", "rope_scaling", "{" + llama3 + "}"));
    ModelConfig newer =
        TinyModels.read(
            folder, LLAMA, Map.of("rope_parameters", "{\"rope_theta\":500000.0," + llama3 + "}"));

    assertThat(older.rope())
        .isEqualTo(new RopeConfig(5e5, 4, new RopeConfig.Llama3(8, 1, 4, 32)))
        .isEqualTo(newer.rope());
  }

  @Test
  void yarn_stretches_the_context_and_scales_attention() {
    ModelConfig config =
        TinyModels.read(
            folder,
            "Qwen2ForCausalLM",
            Map.of(
                "rope_scaling",
                "{\"type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":64}"));

    assertThat(config.contextLength()).isEqualTo(256);
    assertThat(config.rope().scaling())
        .isEqualTo(new RopeConfig.Yarn(4, 64, 32, 1, 0.1 * Math.log(4) + 1, true));
  }

  @Test
  void phi3_reads_longrope_under_all_its_names_and_a_partial_rotation() {
    for (String type : new String[] {"longrope", "su", "yarn"}) {
      ModelConfig config =
          TinyModels.read(
              folder,
              "Phi3ForCausalLM",
              Map.of(
                  "head_dim", "8",
                  "partial_rotary_factor", "0.75",
                  "original_max_position_embeddings", "16",
                  "rope_scaling",
                      "{\"type\":\"%s\",\"short_factor\":[1,1,1],\"long_factor\":[1.5,2,3]}"
                          .formatted(type)));

      assertThat(config.rope().rotaryDim()).isEqualTo(6);
      assertThat(config.rope().scaling()).isInstanceOf(RopeConfig.LongRope.class);
    }
  }

  @Test
  void an_absurd_context_is_cut_to_the_limit() {
    ModelConfig config =
        TinyModels.read(folder, LLAMA, Map.of("max_position_embeddings", "4611686018427387904"));

    assertThat(config.maxPositions()).isEqualTo(ModelConfig.MAX_POSITIONS);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          vocab_size               | absent
          vocab_size               | 0
          vocab_size               | 2147483648
          vocab_size               | "32"
          vocab_size               | 32.0
          vocab_size               | true
          vocab_size               | [32]
          hidden_size              | 18
          hidden_size              | -16
          num_hidden_layers        | 1000000000
          num_hidden_layers        | 0
          num_attention_heads      | 0
          num_attention_heads      | 5
          num_key_value_heads      | 3
          head_dim                 | 3
          head_dim                 | 258
          intermediate_size        | absent
          intermediate_size        | 1e99
          max_position_embeddings  | absent
          max_position_embeddings  | -4611686018427387904
          rms_norm_eps             | -1e-5
          rms_norm_eps             | 1e999
          rms_norm_eps             | "NaN"
          rope_theta               | -1
          rope_theta               | 0
          rope_theta               | 1
          rope_theta               | 1e999
          rope_scaling             | "linear"
          rope_scaling             | {"type":"dynamic","factor":2.0}
          rope_scaling             | {"type":"linear"}
          rope_scaling             | {"type":"linear","factor":0}
          rope_scaling             | {"type":"linear","factor":1e300}
          rope_scaling             | {"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}
          rope_scaling             | {"rope_type":"llama3","factor":8}
          rope_scaling             | {"rope_type":"yarn","factor":4,"beta_fast":1,"beta_slow":32}
          rope_scaling             | {"rope_type":"longrope","short_factor":[1],"long_factor":[1,2]}
          rope_scaling             | {"rope_type":"longrope","short_factor":[1,0],"long_factor":[1,2]}
          partial_rotary_factor    | 0
          partial_rotary_factor    | 0.25
          hidden_act               | "gelu"
          mlp_bias                 | true
          attention_bias           | "yes"
          tie_word_embeddings      | 1
          quantization_config      | {"quant_method":"evil"}
          quantization_config      | {}
          architectures            | ["EvilForCausalLM"]
          architectures            | [3]
          architectures            | []
          bos_token_id             | 32
          eos_token_id             | [1,-1]
          eos_token_id             | 2147483648
          """)
  void a_field_that_cannot_be_is_refused_by_name(String field, String value) {
    assertThatThrownBy(() -> TinyModels.read(folder, LLAMA, Map.of(field, value)))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("config.json")
        .hasMessageMatching(
            "(?s).*(" + field + "|num_attention_heads|num_key_value_heads|head_dim).*");
  }

  @ParameterizedTest
  @CsvSource({"[]", "nonsense", "{\"a\":NaN}", "{} {}", "''"})
  void a_file_that_is_no_json_object_is_refused(String text) throws IOException {
    Path file = Files.writeString(folder.resolve("config.json"), text);

    assertThatThrownBy(() -> ModelConfigReader.readFile(file))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("config.json");
  }

  @Test
  void a_missing_huge_or_deep_file_is_refused() throws IOException {
    assertThatThrownBy(() -> ModelConfigReader.read(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("no such file");

    Path file = Files.write(folder.resolve("config.json"), new byte[2 << 20]);
    assertThatThrownBy(() -> ModelConfigReader.readFile(file)).hasMessageContaining("longer than");

    Files.writeString(file, "{\"a\":" + "[".repeat(10_000));
    assertThatThrownBy(() -> ModelConfigReader.readFile(file)).hasMessageContaining("not valid");
  }
}
