package dev.weir.engine.text;

/** Text without lone surrogates, which no encoding of Unicode can carry. */
final class WellFormed {

  private WellFormed() {}

  /** {@code text} itself, or with U+FFFD in the place of every lone surrogate. */
  static String of(String text) {
    int first = firstLoneSurrogate(text, 0);
    if (first < 0) {
      return text;
    }
    StringBuilder result = new StringBuilder(text);
    for (int at = first; at >= 0; at = firstLoneSurrogate(result, at + 1)) {
      result.setCharAt(at, Utf8Assembler.REPLACEMENT);
    }
    return result.toString();
  }

  private static int firstLoneSurrogate(CharSequence text, int from) {
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isSurrogate(c)) {
        boolean pair =
            Character.isHighSurrogate(c)
                && i + 1 < text.length()
                && Character.isLowSurrogate(text.charAt(i + 1));
        if (!pair) {
          return i;
        }
        i++;
      }
    }
    return -1;
  }
}
