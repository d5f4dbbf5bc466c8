package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.text.AddedTokenFinder.Span;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AddedTokenFinderTest {

  private static final long SEED = 11;
  private static final int TEXTS = 300;
  private static final List<String> WORDS =
      List.of(" ", "\n", "  ", "Hello", " world", "<", "|", "é水", "123", "\t", "<|im", "_", "]");

  private final Vocabularies vocabularies = new Vocabularies();

  @AfterAll
  void close() {
    vocabularies.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen2.5", "gpt2", "llama2", "phi-3-mini", "mistral-v3"})
  void runs_between_control_tokens_encode_to_what_the_library_makes_of_the_whole(String name) {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    List<AddedToken> control = tokenizer.controlTokens();
    AddedTokenFinder finder = new AddedTokenFinder(tokenizer.addedTokens(), control);
    Random random = new Random(SEED);
    for (int i = 0; i < TEXTS; i++) {
      StringBuilder text = new StringBuilder();
      for (int length = random.nextInt(12); length > 0; length--) {
        text.append(
            random.nextInt(3) == 0
                ? control.get(random.nextInt(control.size())).content()
                : WORDS.get(random.nextInt(WORDS.size())));
      }

      int[] ids = encodeRuns(tokenizer, text.toString(), finder.spans(text.toString()));

      assertThat(ids).as("%s", text).isEqualTo(tokenizer.encode(text.toString(), false));
    }
  }

  private static int[] encodeRuns(Tokenizer tokenizer, String text, List<Span> spans) {
    IntStream.Builder ids = IntStream.builder();
    for (Span span : spans) {
      if (span.isControl()) {
        ids.add(span.controlId());
      } else {
        String run = text.substring(span.start(), span.end());
        Arrays.stream(tokenizer.encodePlainContinuing(run)).forEach(ids::add);
      }
    }
    return ids.build().toArray();
  }
}
