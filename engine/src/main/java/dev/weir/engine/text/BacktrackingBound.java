package dev.weir.engine.text;

import dev.weir.engine.load.ModelLoadException;
import org.jspecify.annotations.Nullable;

/**
 * Refuses regular expressions whose matching could blow up.
 *
 * <p>The native library matches with Oniguruma, which gives up after 10 million steps of
 * backtracking in one match; the library answers that by ending the process, so such an expression
 * must never get that far. The rule is structural, and holds for the pre-tokenizers of the Llama,
 * Qwen, Mistral, GPT and DeepSeek families: an unbounded repetition repeats something of one fixed
 * form, and in one alternative at most two of them follow each other, with nothing required behind
 * the second. Then every alternative takes a number of steps proportional to the text.
 */
final class BacktrackingBound {

  /** Oniguruma's own limit is 10 million steps in one match; the rest is left as a margin. */
  static final int MAX_STEPS = 9_000_000;

  private static final int MAX_PATTERN_CHARS = 4096;
  private static final int MAX_DEPTH = 16;

  /** Repetitions up to this count are taken as bounded. */
  private static final int SMALL_REPETITION = 16;

  private static final int MAX_UNBOUNDED = 2;

  private final String pattern;
  private int at;
  private int retryingAlternatives;

  private BacktrackingBound(String pattern) {
    this.pattern = pattern;
  }

  /** What an atom or an alternative looks like to what surrounds it. */
  private record Shape(boolean fixed, int unbounded) {}

  /** How often an atom repeats. */
  private record Repetition(int min, int max) {
    boolean unbounded() {
      return max > SMALL_REPETITION;
    }
  }

  /**
   * Checks {@code pattern}.
   *
   * @return how many of its alternatives may give back, character by character, what they took
   * @throws IllegalArgumentException saying what in it is unbounded, or where it is malformed
   */
  static int check(String pattern) {
    if (pattern.length() > MAX_PATTERN_CHARS) {
      throw new IllegalArgumentException(
          "a regular expression of "
              + pattern.length()
              + " characters, at most "
              + MAX_PATTERN_CHARS
              + " are taken");
    }
    BacktrackingBound check = new BacktrackingBound(pattern);
    check.alternatives(0);
    if (check.at < pattern.length()) {
      throw check.problem("has an unmatched )");
    }
    return check.retryingAlternatives;
  }

  private Shape alternatives(int depth) {
    if (depth > MAX_DEPTH) {
      throw problem("nests groups deeper than " + MAX_DEPTH);
    }
    Shape first = alternative(depth);
    boolean fixed = first.fixed;
    int unbounded = first.unbounded;
    while (at < pattern.length() && pattern.charAt(at) == '|') {
      at++;
      unbounded = Math.max(unbounded, alternative(depth).unbounded);
      fixed = false;
    }
    return new Shape(fixed, unbounded);
  }

  private Shape alternative(int depth) {
    boolean fixed = true;
    int unbounded = 0;
    boolean retries = false;
    while (at < pattern.length() && pattern.charAt(at) != '|' && pattern.charAt(at) != ')') {
      Shape atom = atom(depth);
      Repetition repetition = repetition();
      if (repetition.min > 0 && unbounded > 0) {
        retries = true;
        if (unbounded >= MAX_UNBOUNDED) {
          throw problem("requires something behind two unbounded repetitions");
        }
      }
      if (repetition.max > 1 && !atom.fixed) {
        throw problem("repeats a group that has repetitions or alternatives in it");
      }
      fixed &= atom.fixed && repetition.min == repetition.max;
      unbounded += atom.unbounded + (repetition.unbounded() ? 1 : 0);
      if (unbounded > MAX_UNBOUNDED) {
        throw problem("has more than two unbounded repetitions in a row");
      }
    }
    retryingAlternatives += retries ? 1 : 0;
    return new Shape(fixed, unbounded);
  }

  private Shape atom(int depth) {
    switch (pattern.charAt(at++)) {
      case '(' -> {
        groupPrefix();
        Shape group = alternatives(depth + 1);
        if (at >= pattern.length()) {
          throw problem("has an unmatched (");
        }
        at++;
        return group;
      }
      case '[' -> characterClass(0);
      case '\\' -> escape();
      default -> {}
    }
    return new Shape(true, 0);
  }

  /** {@code (?:}, {@code (?i:}, {@code (?=}, {@code (?<!} and the like. */
  private void groupPrefix() {
    if (at < pattern.length() && pattern.charAt(at) == '?') {
      at++;
      while (at < pattern.length() && "imx-<".indexOf(pattern.charAt(at)) >= 0) {
        at++;
      }
      if (at < pattern.length() && ":=!>".indexOf(pattern.charAt(at)) >= 0) {
        at++;
      }
    }
  }

  private void characterClass(int depth) {
    if (depth > MAX_DEPTH) {
      throw problem("nests character classes deeper than " + MAX_DEPTH);
    }
    if (at < pattern.length() && pattern.charAt(at) == '^') {
      at++;
    }
    boolean first = true;
    while (at < pattern.length()) {
      char c = pattern.charAt(at++);
      if (c == ']' && !first) {
        return;
      }
      first = false;
      if (c == '[') {
        characterClass(depth + 1);
      } else if (c == '\\') {
        escape();
      }
    }
    throw problem("has an unmatched [");
  }

  private void escape() {
    if (at >= pattern.length()) {
      throw problem("ends in a backslash");
    }
    at++;
    if (at < pattern.length()
        && pattern.charAt(at) == '{'
        && "pPxu".indexOf(pattern.charAt(at - 1)) >= 0) {
      int end = pattern.indexOf('}', at);
      if (end < 0) {
        throw problem("has an unmatched {");
      }
      at = end + 1;
    }
  }

  private Repetition repetition() {
    if (at >= pattern.length()) {
      return new Repetition(1, 1);
    }
    Repetition repetition =
        switch (pattern.charAt(at)) {
          case '?' -> new Repetition(0, 1);
          case '*' -> new Repetition(0, Integer.MAX_VALUE);
          case '+' -> new Repetition(1, Integer.MAX_VALUE);
          case '{' -> counted();
          default -> null;
        };
    if (repetition == null) {
      return new Repetition(1, 1);
    }
    at++;
    if (at < pattern.length() && "?+".indexOf(pattern.charAt(at)) >= 0) {
      at++; // lazy or possessive: neither takes more steps
    }
    return repetition;
  }

  /** {@code {3}}, {@code {1,3}}, {@code {2,}}, {@code {,4}}; leaves {@code at} on the brace. */
  private Repetition counted() {
    int end = pattern.indexOf('}', at);
    if (end < 0) {
      throw problem("has an unmatched {");
    }
    String[] bounds = pattern.substring(at + 1, end).split(",", -1);
    at = end;
    try {
      int min = bounds[0].isEmpty() ? 0 : Integer.parseInt(bounds[0].trim());
      int max =
          bounds.length == 1
              ? min
              : bounds[1].isEmpty() ? Integer.MAX_VALUE : Integer.parseInt(bounds[1].trim());
      return new Repetition(min, max);
    } catch (NumberFormatException e) {
      throw problem("has a malformed {}", e);
    }
  }

  private IllegalArgumentException problem(String what) {
    return problem(what, null);
  }

  private IllegalArgumentException problem(String what, @Nullable Throwable cause) {
    return new IllegalArgumentException(
        "the regular expression "
            + ModelLoadException.quote(pattern)
            + " "
            + what
            + " (at character "
            + at
            + "), so that the time to match it has no bound",
        cause);
  }
}
