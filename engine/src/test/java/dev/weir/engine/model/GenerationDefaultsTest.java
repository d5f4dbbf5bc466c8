package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.ModelLoadException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GenerationDefaultsTest {

  @TempDir Path folder;
  private ModelConfig config;

  @BeforeEach
  void a_model() {
    config =
        TinyModels.read(
            folder, "LlamaForCausalLM", Map.of("bos_token_id", "1", "eos_token_id", "2"));
  }

  @Test
  void without_a_file_the_configuration_speaks() {
    GenerationDefaults defaults = GenerationDefaults.read(folder, config);

    assertThat(defaults.eosIds()).containsExactly(2);
    assertThat(defaults.bosId()).hasValue(1);
    assertThat(defaults.doSample()).isEmpty();
    assertThat(defaults.temperature()).isEmpty();
  }

  @Test
  void the_end_ids_of_both_files_are_merged() throws IOException {
    file("{\"eos_token_id\":[7,5],\"bos_token_id\":3}");
    GenerationDefaults defaults = GenerationDefaults.read(folder, config);

    assertThat(defaults.eosIds()).containsExactly(7, 5, 2);
    assertThat(defaults.bosId()).hasValue(3);
  }

  @Test
  void sampling_values_are_read() throws IOException {
    file(
        "{\"do_sample\":true,\"temperature\":0.6,\"top_k\":20,\"top_p\":0.95,\"min_p\":0,"
            + "\"repetition_penalty\":1.05,\"max_length\":4096,\"max_new_tokens\":null,"
            + "\"transformers_version\":\"4.51.0\",\"pad_token_id\":-1}");
    GenerationDefaults defaults = GenerationDefaults.read(folder, config);

    assertThat(defaults.doSample()).contains(true);
    assertThat(defaults.temperature()).hasValue(0.6);
    assertThat(defaults.topK()).hasValue(20);
    assertThat(defaults.topP()).hasValue(0.95);
    assertThat(defaults.minP()).hasValue(0);
    assertThat(defaults.repetitionPenalty()).hasValue(1.05);
    assertThat(defaults.maxLength()).hasValue(4096);
    assertThat(defaults.maxNewTokens()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nonsense",
        "[]",
        "{\"eos_token_id\":32}",
        "{\"eos_token_id\":[1,\"2\"]}",
        "{\"bos_token_id\":-1}",
        "{\"temperature\":-0.1}",
        "{\"temperature\":1e999}",
        "{\"temperature\":\"hot\"}",
        "{\"top_p\":1.5}",
        "{\"top_k\":0.5}",
        "{\"repetition_penalty\":0}",
        "{\"do_sample\":1}"
      })
  void a_broken_file_is_refused(String text) throws IOException {
    file(text);

    assertThatThrownBy(() -> GenerationDefaults.read(folder, config))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("generation_config.json");
  }

  private void file(String text) throws IOException {
    Files.writeString(folder.resolve("generation_config.json"), text);
  }
}
