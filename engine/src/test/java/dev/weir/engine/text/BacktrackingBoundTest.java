package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BacktrackingBoundTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(a+)+$",
        "(a|a)*b",
        "(?:a*)*",
        "a*a*a*b",
        "x*y*z",
        "(a?){64}",
        "((a{1,99})b)*",
        "([",
        "(a"
      })
  void an_expression_that_could_blow_up_is_refused(String expression) {
    assertThatThrownBy(() -> BacktrackingBound.check(expression))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{M}]+(?i:'s|'t)?",
        "\\d{1,3}(?=(?:\\d{3})*\\b)",
        "[!-/:-~][A-Za-z]+|[\\p{Han}&&[^a]]+",
      })
  void the_expressions_of_public_models_pass(String expression) {
    assertThat(BacktrackingBound.check(expression)).isBetween(0, 4);
  }
}
