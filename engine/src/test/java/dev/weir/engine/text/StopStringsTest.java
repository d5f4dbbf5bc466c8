package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Sampling;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class StopStringsTest {

  private static final long SEED = 7;
  private static final int CASES = 20_000;
  private static final String ALPHABET = "aab\n";

  private record Outcome(String text, Optional<String> match) {}

  @Test
  void the_outcome_is_that_of_a_plain_search_however_the_text_is_split() {
    Random random = new Random(SEED);
    int matches = 0;
    for (int i = 0; i < CASES; i++) {
      List<String> stops =
          IntStream.range(0, random.nextInt(4)).mapToObj(n -> text(random, 1, 5)).toList();
      String text = text(random, 0, 20);

      Outcome expected = search(stops, text);

      assertThat(matchInPieces(stops, text, random))
          .as("%s in %s", stops, text)
          .isEqualTo(expected);
      matches += expected.match.isPresent() ? 1 : 0;
    }
    assertThat(matches).isBetween(CASES / 10, CASES);
  }

  /** The definition: the first end of any stop string, the longest there. */
  private static Outcome search(List<String> stops, String text) {
    for (int end = 1; end <= text.length(); end++) {
      String read = text.substring(0, end);
      Optional<String> longest =
          stops.stream().filter(read::endsWith).max(Comparator.comparingInt(String::length));
      if (longest.isPresent()) {
        return new Outcome(read.substring(0, end - longest.get().length()), longest);
      }
    }
    return new Outcome(text, Optional.empty());
  }

  private static Outcome matchInPieces(List<String> stops, String text, Random random) {
    StopStrings.Matcher matcher = StopStrings.of(stops).matcher();
    StringBuilder released = new StringBuilder();
    for (int at = 0; at < text.length(); ) {
      int end = at + random.nextInt(text.length() - at + 1);
      released.append(matcher.append(text.substring(at, end)));
      at = end;
    }
    released.append(matcher.finish());
    return new Outcome(released.toString(), matcher.match());
  }

  private static String text(Random random, int min, int max) {
    int length = random.nextInt(min, max + 1);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
    }
    return text.toString();
  }

  @Test
  void text_that_cannot_begin_a_stop_string_is_not_held_back() {
    StopStrings.Matcher matcher = StopStrings.of(List.of("END", "\n\n")).matcher();

    assertThat(matcher.append("one E")).isEqualTo("one ");
    assertThat(matcher.append("N")).isEmpty();
    assertThat(matcher.append("C")).isEqualTo("ENC");
    assertThat(matcher.append(" two END three")).isEqualTo(" two ");
    assertThat(matcher.match()).contains("END");
    assertThat(matcher.append("more")).isEmpty();
    assertThat(matcher.finish()).isEmpty();
  }

  @Test
  void an_empty_an_overlong_and_one_too_many_are_refused() {
    assertThatThrownBy(() -> StopStrings.of(List.of("ok", "")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("stop string 1");
    assertThatThrownBy(() -> StopStrings.of(List.of("x".repeat(Sampling.MAX_STOP_LENGTH + 1))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("stop string 0");
    assertThatThrownBy(() -> StopStrings.of(Collections.nCopies(Sampling.MAX_STOPS + 1, "x")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at most 16");
  }
}
