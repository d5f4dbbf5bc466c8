package dev.weir.engine.text;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds control tokens in a text as the Hugging Face library finds added tokens: from the left, the
 * longest at each place, with the white space that a token swallows.
 */
final class AddedTokenFinder {

  /** A stretch of the text: a control token, or what lies between two. */
  record Span(int start, int end, int controlId) {

    static final int NO_TOKEN = -1;

    boolean isControl() {
      return controlId != NO_TOKEN;
    }
  }

  private final Map<Character, List<AddedToken>> byFirst = new HashMap<>();
  private final BitSet control = new BitSet();

  AddedTokenFinder(List<AddedToken> addedTokens, List<AddedToken> controlTokens) {
    for (AddedToken token : addedTokens) {
      byFirst.computeIfAbsent(token.content().charAt(0), c -> new ArrayList<>()).add(token);
    }
    Comparator<AddedToken> longestFirst = Comparator.comparingInt(t -> -t.content().length());
    byFirst.values().forEach(tokens -> tokens.sort(longestFirst));
    controlTokens.forEach(token -> control.set(token.id()));
  }

  boolean isControl(int id) {
    return control.get(id);
  }

  /** The text cut at its control tokens; the spans join to the whole. */
  List<Span> spans(String text) {
    List<Span> spans = new ArrayList<>();
    int runStart = 0;
    for (int at = 0; at < text.length(); ) {
      AddedToken token = longestAt(text, at);
      if (token == null) {
        at++;
        continue;
      }
      int start = at;
      int end = at + token.content().length();
      at = end;
      // Tokens that are ordinary text are only skipped: the plain tokenizer finds them again.
      if (!control.get(token.id()) || (token.singleWord() && touchesWord(text, start, end))) {
        continue;
      }
      while (token.stripLeft() && start > runStart && isSpace(text.charAt(start - 1))) {
        start--;
      }
      while (token.stripRight() && end < text.length() && isSpace(text.charAt(end))) {
        end++;
      }
      start = Math.max(start, runStart); // white space that the token before has swallowed
      if (start > runStart) {
        spans.add(new Span(runStart, start, Span.NO_TOKEN));
      }
      spans.add(new Span(start, end, token.id()));
      runStart = end;
      at = Math.max(at, end);
    }
    if (runStart < text.length()) {
      spans.add(new Span(runStart, text.length(), Span.NO_TOKEN));
    }
    return spans;
  }

  private @Nullable AddedToken longestAt(String text, int at) {
    for (AddedToken token : byFirst.getOrDefault(text.charAt(at), List.of())) {
      if (text.startsWith(token.content(), at)) {
        return token;
      }
    }
    return null;
  }

  private static boolean touchesWord(String text, int start, int end) {
    return (start > 0 && isWord(text.charAt(start - 1)))
        || (end < text.length() && isWord(text.charAt(end)));
  }

  private static boolean isWord(char c) {
    return Character.isLetterOrDigit(c) || c == '_';
  }

  private static boolean isSpace(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c);
  }
}
