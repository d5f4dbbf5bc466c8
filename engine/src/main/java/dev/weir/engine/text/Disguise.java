package dev.weir.engine.text;

import dev.weir.engine.request.InvalidRequestException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Gives text from outside another spelling while a template works on it: every character that
 * control tokens are made of ({@code < > | [ ]} and the like) becomes a private-use character that
 * occurs nowhere else. What the template itself writes keeps its spelling, so that in the result a
 * control token that is spelled plainly is the template's own, wherever the template cut, trimmed
 * or joined the text. One character for one, so lengths and positions stay what they were.
 */
final class Disguise {

  private static final char FIRST_PRIVATE = '\uE000';
  private static final int PRIVATE_CHARACTERS = 6400; // U+E000 to U+F8FF

  /** JSON deeper than this is no conversation. */
  static final int MAX_DEPTH = 100;

  private static final String ASSISTANT = "assistant";

  /** Tags that the model writes in its own turns, such as {@code <think>}. */
  private final List<AddedToken> ownTags;

  private final BitSet marks = new BitSet();

  Disguise(List<AddedToken> control) {
    ownTags = control.stream().filter(ControlTokens::isOwnTag).toList();
    for (AddedToken token : control) {
      addMark(token.content().charAt(0));
      addMark(token.content().charAt(token.content().length() - 1));
      token.content().chars().filter(c -> c == '|' || c == '\uFF5C').forEach(marks::set);
    }
  }

  private void addMark(char c) {
    if (!Character.isLetterOrDigit(c) && !Character.isSurrogate(c)) {
      marks.set(c);
    }
  }

  /** Chooses the spelling for one rendering; none where no text needs one. */
  @Nullable Spelling spellingFor(List<?> inputs, String template) {
    BitSet seen = new BitSet();
    inputs.forEach(input -> collect(input, seen, 0));
    BitSet present = (BitSet) marks.clone();
    present.and(seen);
    if (present.isEmpty()) {
      return null;
    }
    template.chars().forEach(seen::set);
    char[] to = new char[present.length()];
    int candidate = 0;
    for (int mark = present.nextSetBit(0); mark >= 0; mark = present.nextSetBit(mark + 1)) {
      while (candidate < PRIVATE_CHARACTERS && seen.get(FIRST_PRIVATE + candidate)) {
        candidate++;
      }
      if (candidate == PRIVATE_CHARACTERS) {
        throw new InvalidRequestException(
            "messages", "the messages use every private-use character; leave one out");
      }
      to[mark] = (char) (FIRST_PRIVATE + candidate++);
    }
    return new Spelling(to);
  }

  private static void collect(@Nullable Object value, BitSet seen, int depth) {
    if (depth > MAX_DEPTH) {
      throw new InvalidRequestException(
          "messages", "the messages are nested deeper than " + MAX_DEPTH + " levels");
    }
    switch (value) {
      case String text -> text.chars().forEach(seen::set);
      case List<?> list -> list.forEach(item -> collect(item, seen, depth + 1));
      case Map<?, ?> map ->
          map.forEach(
              (key, item) -> {
                collect(key, seen, depth + 1);
                collect(item, seen, depth + 1);
              });
      case null, default -> {}
    }
  }

  /** One choice of private characters. */
  final class Spelling {

    private final char[] to;

    private Spelling(char[] to) {
      this.to = to;
    }

    /** {@code messages}, each disguised; the assistant's keep the tags it writes itself. */
    List<@Nullable Object> messages(List<?> messages) {
      List<@Nullable Object> result = new ArrayList<>();
      for (Object message : messages) {
        boolean own = message instanceof Map<?, ?> map && ASSISTANT.equals(map.get("role"));
        result.add(value(message, own));
      }
      return result;
    }

    /** {@code values} with every string in them disguised. */
    List<@Nullable Object> values(List<?> values) {
      List<@Nullable Object> result = new ArrayList<>();
      values.forEach(value -> result.add(value(value, false)));
      return result;
    }

    /** {@code map} with every string among its values disguised; its own keys are names. */
    Map<String, @Nullable Object> map(Map<String, ? extends @Nullable Object> map) {
      Map<String, @Nullable Object> result = new LinkedHashMap<>();
      map.forEach((key, value) -> result.put(key, value(value, false)));
      return result;
    }

    private @Nullable Object value(@Nullable Object value, boolean own) {
      return switch (value) {
        case String text -> text(text, own);
        case List<?> list -> {
          List<@Nullable Object> result = new ArrayList<>();
          list.forEach(item -> result.add(value(item, own)));
          yield result;
        }
        case Map<?, ?> map -> {
          Map<String, @Nullable Object> result = new LinkedHashMap<>();
          map.forEach((key, item) -> result.put(text(String.valueOf(key), own), value(item, own)));
          yield result;
        }
        case null, default -> value;
      };
    }

    private String text(String text, boolean own) {
      StringBuilder result = new StringBuilder(text);
      for (int i = 0; i < text.length(); i++) {
        char c = text.charAt(i);
        if (c < to.length && to[c] != 0) {
          int skipped = own ? ownTagAt(text, i) : 0;
          if (skipped > 0) {
            i += skipped - 1;
          } else {
            result.setCharAt(i, to[c]);
          }
        }
      }
      return result.toString();
    }

    private int ownTagAt(String text, int at) {
      for (AddedToken tag : ownTags) {
        if (text.startsWith(tag.content(), at)) {
          return tag.content().length();
        }
      }
      return 0;
    }

    /** The plain spelling of what a template made of disguised text. */
    String undo(String disguised) {
      StringBuilder result = new StringBuilder(disguised);
      for (int i = 0; i < result.length(); i++) {
        int at = indexOf(result.charAt(i));
        if (at >= 0) {
          result.setCharAt(i, (char) at);
        }
      }
      return result.toString();
    }

    private int indexOf(char c) {
      if (c < FIRST_PRIVATE || c >= FIRST_PRIVATE + PRIVATE_CHARACTERS) {
        return -1;
      }
      for (int i = 0; i < to.length; i++) {
        if (to[i] == c) {
          return i;
        }
      }
      return -1;
    }
  }
}
