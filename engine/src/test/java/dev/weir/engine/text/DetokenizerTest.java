package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A stream of ids joins to what the library decodes from all of them at once. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DetokenizerTest {

  private static final long SEED = 20260101;
  private static final int SEQUENCES = 200;
  private static final int MAX_LENGTH = 24;
  private static final String TEXT =
      " Grüße aus Weir: 水が流れる 👩🏽‍🚀🇳🇴\n\n\t½ naïve क्षि \u0000 ﷺ  <|im_end|></s>[INST] end. ";

  private final Vocabularies vocabularies = new Vocabularies();

  @AfterAll
  void close() {
    vocabularies.close();
  }

  static Stream<String> vocabularies() {
    return Stream.concat(Vocabularies.BYTE_LEVEL.stream(), Vocabularies.SENTENCE_PIECE.stream());
  }

  @ParameterizedTest
  @MethodSource("vocabularies")
  void random_ids_join_to_the_whole_decode(String name) {
    Random random = new Random(SEED);
    int size = vocabularies.tokenizer(name).vocabularySize();
    for (int i = 0; i < SEQUENCES; i++) {
      // A little beyond the vocabulary, as padded embeddings have rows without a token.
      int[] ids = random.ints(random.nextInt(MAX_LENGTH), 0, size + 8).toArray();
      assertJoinsToWholeDecode(name, ids);
    }
  }

  @ParameterizedTest
  @MethodSource("vocabularies")
  void broken_utf8_joins_to_the_whole_decode(String name) {
    Random random = new Random(SEED);
    int[] fragments = fragments(vocabularies.tokenizer(name));
    for (int i = 0; i < SEQUENCES; i++) {
      int[] ids =
          random
              .ints(random.nextInt(MAX_LENGTH), 0, fragments.length)
              .map(at -> fragments[at])
              .toArray();
      assertJoinsToWholeDecode(name, ids);
    }
  }

  @ParameterizedTest
  @MethodSource("vocabularies")
  void every_prefix_of_real_text_joins_to_its_whole_decode(String name) {
    int[] ids = vocabularies.tokenizer(name).encode(TEXT, true);
    for (int length = 0; length <= ids.length; length++) {
      assertJoinsToWholeDecode(name, Arrays.copyOf(ids, length));
    }
    assertThat(vocabularies.tokenizer(name).decode(ids, false)).contains("水が流れる 👩🏽‍🚀");
  }

  @ParameterizedTest
  @MethodSource("vocabularies")
  void special_tokens_anywhere_join_to_the_whole_decode(String name) {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    Random random = new Random(SEED);
    List<AddedToken> control = tokenizer.controlTokens();
    int[] words = tokenizer.encode(TEXT, false);
    for (int i = 0; i < SEQUENCES; i++) {
      int[] ids = new int[random.nextInt(MAX_LENGTH)];
      Arrays.setAll(
          ids,
          at ->
              random.nextBoolean()
                  ? control.get(random.nextInt(control.size())).id()
                  : words[random.nextInt(words.length)]);
      assertJoinsToWholeDecode(name, ids);
    }
  }

  private void assertJoinsToWholeDecode(String name, int[] ids) {
    for (boolean skipSpecial : new boolean[] {true, false}) {
      Detokenizer detokenizer = vocabularies.tokenizer(name).detokenizer(skipSpecial);
      StringBuilder joined = new StringBuilder();
      for (int id : ids) {
        String text = detokenizer.append(id);
        assertThat(text.isEmpty() || isWhole(text)).as("whole characters: %s", text).isTrue();
        joined.append(text);
      }
      joined.append(detokenizer.finish());

      assertThat(joined.toString())
          .as("ids %s, skipSpecial %s", Arrays.toString(ids), skipSpecial)
          .isEqualTo(vocabularies.wholeDecode(name, ids, skipSpecial));
    }
  }

  private static boolean isWhole(String text) {
    return !Character.isLowSurrogate(text.charAt(0))
        && !Character.isHighSurrogate(text.charAt(text.length() - 1));
  }

  /** Ids whose bytes are no text on their own, and a few that are. */
  private static int[] fragments(Tokenizer tokenizer) {
    return IntStream.range(0, tokenizer.vocabularySize())
        .filter(
            id ->
                new String(tokenizer.tokenBytes(id), StandardCharsets.UTF_8).indexOf('\uFFFD') >= 0
                    || id % 1000 == 0
                    || (tokenizer.isSpecial(id) && id % 100 == 0))
        .toArray();
  }

  @Test
  void a_character_split_over_tokens_is_released_once_and_whole() {
    Tokenizer tokenizer = vocabularies.tokenizer("gpt2");
    int[] ids = tokenizer.encode("🦦", false);
    assertThat(ids).hasSizeGreaterThan(1);
    Detokenizer detokenizer = tokenizer.detokenizer(true);

    for (int i = 0; i < ids.length - 1; i++) {
      assertThat(detokenizer.append(ids[i])).isEmpty();
    }

    assertThat(detokenizer.append(ids[ids.length - 1])).isEqualTo("🦦");
    assertThat(detokenizer.finish()).isEmpty();
  }

  @Test
  void an_incomplete_tail_becomes_a_replacement_character_at_the_end() {
    Tokenizer tokenizer = vocabularies.tokenizer("gpt2");
    Detokenizer detokenizer = tokenizer.detokenizer(true);

    assertThat(detokenizer.append(tokenizer.encode("🦦", false)[0])).isEmpty();

    assertThat(detokenizer.finish()).isEqualTo("\uFFFD");
    assertThatThrownBy(() -> detokenizer.append(0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void the_bytes_of_the_tokens_are_the_bytes_of_the_text() {
    Tokenizer tokenizer = vocabularies.tokenizer("qwen2.5");
    String text = "Grüße 🦦 ok";

    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int id : tokenizer.encode(text, false)) {
      bytes.writeBytes(tokenizer.tokenBytes(id));
    }

    assertThat(bytes.toByteArray()).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
  }
}
