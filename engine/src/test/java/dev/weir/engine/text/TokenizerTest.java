package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.request.InvalidRequestException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerTest {

  private static final int END = 256;
  private static final int CALL = 257;
  private static final int SPACES = 258;

  @TempDir private Path folder;
  private Tokenizer tokenizer;

  @BeforeEach
  void load() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        """
        {"eos_token": {"content": "<|end|>"}, "bos_token": null}
        """);
    tokenizer = TinyTokenizer.load(folder);
  }

  @AfterEach
  void close() {
    tokenizer.close();
  }

  @Test
  void the_names_of_special_tokens_stand_for_them() {
    assertThat(tokenizer.encode("<|end|><call>   ", false)).containsExactly(END, CALL, SPACES);
    assertThat(tokenizer.isSpecial(END)).isTrue();
    assertThat(tokenizer.isSpecial(CALL)).isFalse();
    assertThat(tokenizer.eosToken()).contains("<|end|>");
    assertThat(tokenizer.eosId()).hasValue(END);
    assertThat(tokenizer.bosId()).isEmpty();
    assertThat(tokenizer.idOf("<call>")).hasValue(CALL);
    assertThat(tokenizer.vocabularySize()).isEqualTo(SPACES + 1);
  }

  @Test
  void plain_text_keeps_added_tokens_that_do_not_steer_the_model() {
    int[] ids = tokenizer.encodePlain("<|end|><call>   ");

    assertThat(ids).doesNotContain(END).contains(CALL, SPACES);
    assertThat(tokenizer.decode(ids, true)).isEqualTo("<|end|><call>   ");
  }

  @Test
  void a_tag_that_the_chat_template_writes_steers_the_model() throws IOException {
    Files.writeString(folder.resolve("chat_template.jinja"), "{{ '<call>' }}");
    try (Tokenizer withTemplate = Tokenizer.load(folder)) {
      assertThat(withTemplate.encodePlain("<|end|><call>   "))
          .doesNotContain(END, CALL)
          .contains(SPACES);
    }
  }

  @Test
  void half_of_a_surrogate_pair_is_encoded_as_a_replacement_character() {
    assertThat(tokenizer.encode("a\uD83Db\uDE00", false))
        .isEqualTo(tokenizer.encode("a\uFFFDb\uFFFD", false));
    assertThat(tokenizer.encode("\uDE00\uD83D\uDE00\uD83D", false))
        .isEqualTo(tokenizer.encode("\uFFFD\uD83D\uDE00\uFFFD", false));
  }

  @Test
  void a_text_beyond_the_limit_is_refused_with_both_numbers() {
    String text = "a".repeat(tokenizer.maxCharacters() + 1);

    assertThatThrownBy(() -> tokenizer.encode(text, true))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining(String.valueOf(text.length()))
        .hasMessageContaining(String.valueOf(tokenizer.maxCharacters()));
  }

  @Test
  void an_empty_text_has_no_tokens() {
    assertThat(tokenizer.encode("", true)).isEmpty();
    assertThat(tokenizer.decode(new int[0], false)).isEmpty();
  }

  @Test
  void virtual_threads_get_the_ids_that_a_platform_thread_gets()
      throws InterruptedException, ExecutionException {
    String text = "long enough to be handed over ".repeat(200);
    int[] expected = tokenizer.encode(text, false);
    try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<int[]>> results =
          executor.invokeAll(Collections.nCopies(40, () -> tokenizer.encode(text, false)));
      for (Future<int[]> result : results) {
        assertThat(result.get()).isEqualTo(expected);
      }
    }
  }

  @Test
  void a_closed_tokenizer_says_so() {
    tokenizer.close();

    assertThatThrownBy(() -> tokenizer.encode("a", false))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
    assertThatThrownBy(() -> tokenizer.encodePlain("a")).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void truncation_and_padding_in_the_file_are_not_applied() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        TinyTokenizer.JSON.replace(
            "\"truncation\": null",
            """
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst",
                           "stride": 0}
            """));
    try (Tokenizer truncating = Tokenizer.load(folder)) {
      assertThat(truncating.encode("123456789", false)).hasSize("123456789".length());
    }
  }

  @Test
  void a_decoder_that_cannot_be_streamed_is_refused_by_name() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        TinyTokenizer.JSON.replace(
            "\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"WordPiece\""));

    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("WordPiece");
  }

  @Test
  void plain_and_parsed_text_agree_where_there_is_no_control_token() {
    String text = "no control tokens here, <end> neither";

    assertThat(tokenizer.encodePlain(text)).isEqualTo(tokenizer.encode(text, false));
    assertThat(tokenizer.encode(text, false)).doesNotContain(END, CALL);
  }
}
