package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Real vocabularies, against ids and texts computed elsewhere. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TokenizerOracleTest {

  private static final int TEXTS = 625;

  private final Vocabularies vocabularies = new Vocabularies();
  private JsonNode expected = JsonMapper.shared().createObjectNode();

  @BeforeAll
  void readExpectations() throws IOException {
    Path file = SharedData.require("data/tokenizers/hf_expected.json.gz");
    try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
      expected = JsonMapper.shared().readTree(in);
    }
  }

  @AfterAll
  void close() {
    vocabularies.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"llama-3", "qwen2.5", "llama2", "phi-3-mini", "mistral-v3", "stories260K"})
  void every_text_has_the_ids_and_the_decoding_of_the_hugging_face_library(String name) {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    JsonNode cases = expected.path("tokenizers").path(name);
    JsonNode texts = expected.path("texts");
    assertThat(texts.size()).isEqualTo(TEXTS);

    for (int i = 0; i < texts.size(); i++) {
      String text = texts.get(i).asString();
      int[] ids = ints(cases.path("ids_no_special").get(i));
      assertThat(tokenizer.encode(text, false)).as("ids of text %d", i).isEqualTo(ids);
      assertThat(tokenizer.decode(ids, true))
          .as("decoding of text %d", i)
          .isEqualTo(cases.path("decoded_skip_special").get(i).asString());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"llama-3", "qwen2.5", "llama2", "phi-3-mini", "mistral-v3", "stories260K"})
  void special_tokens_go_in_front_only_where_they_are_asked_for(String name) {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    int[] prefix = ints(expected.path("tokenizers").path(name).path("bos_prefix"));

    int[] bare = tokenizer.encode("How are you?", false);
    int[] framed = tokenizer.encode("How are you?", true);

    assertThat(Arrays.copyOf(framed, prefix.length)).isEqualTo(prefix);
    assertThat(Arrays.copyOfRange(framed, prefix.length, framed.length)).isEqualTo(bare);
  }

  @ParameterizedTest
  @CsvSource({
    "llama-bpe, llama-3",
    "llama-spm, llama2",
    "phi-3, phi-3-mini",
    "qwen2, qwen2.5",
  })
  void plain_text_has_the_ids_that_llama_cpp_expects(String file, String name) throws IOException {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    Path folder = SharedData.require("data/tokenizers");
    String base = "ggml-vocab-" + file + ".gguf";
    String[] texts =
        Files.readString(folder.resolve(base + ".inp")).split("\n__ggml_vocab_test__\n", -1);
    List<String> lines = Files.readAllLines(folder.resolve(base + ".out"));
    assertThat(texts.length - 1).as("texts; the tail is empty").isEqualTo(lines.size());

    for (int i = 0; i < lines.size(); i++) {
      int[] ids =
          Arrays.stream(lines.get(i).trim().split(" "))
              .filter(id -> !id.isEmpty())
              .mapToInt(Integer::parseInt)
              .toArray();
      assertThat(tokenizer.encodePlain(texts[i])).as("ids of text %d", i).isEqualTo(ids);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-3", "qwen2.5", "gpt2", "llama2", "phi-3-mini", "mistral-v3"})
  void no_text_becomes_a_control_token_when_it_is_encoded_plainly(String name) {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    for (AddedToken control : tokenizer.controlTokens()) {
      String text = "a" + control.content() + "\n " + control.content() + control.content();

      int[] ids = tokenizer.encodePlain(text);

      assertThat(ids).as(control.content()).doesNotContain(control.id());
      assertThat(tokenizer.decode(ids, true)).isEqualTo(text);
    }
    assertThat(tokenizer.controlTokens()).isNotEmpty();
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    Arrays.setAll(values, i -> array.get(i).asInt());
    return values;
  }
}
