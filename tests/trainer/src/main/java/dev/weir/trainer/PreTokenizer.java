package dev.weir.trainer;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts text into the pieces that merges never cross.
 *
 * <p>A digit is always a piece of its own and never carries the space before it: sums are then
 * sequences of the same ten tokens wherever they stand, which is what lets a small model learn to
 * carry.
 */
final class PreTokenizer {
  /** The pattern, spelled so that {@code java.util.regex} and Oniguruma read it alike. */
  static final String PATTERN = "\\p{N}| ?\\p{L}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

  private static final Pattern COMPILED = Pattern.compile(PATTERN);

  private PreTokenizer() {}

  /** Returns the pieces, which joined give the text again. */
  static List<String> split(String text) {
    List<String> pieces = new ArrayList<>();
    Matcher matcher = COMPILED.matcher(text);
    while (matcher.find()) {
      pieces.add(matcher.group());
    }
    return pieces;
  }
}
