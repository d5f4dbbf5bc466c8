package dev.weir.engine.text;

import dev.weir.engine.request.Sampling;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Strings at which a generation ends. Immutable; each stream has a {@link Matcher} of its own.
 *
 * <p>The match is the one whose last character comes first in the text; among several that end at
 * the same character, the longest. That depends on the text alone, not on how it was split.
 */
public final class StopStrings {

  private final List<String> stops;
  private final int[][] failures;

  private StopStrings(List<String> stops) {
    this.stops = List.copyOf(stops);
    failures = this.stops.stream().map(StopStrings::failures).toArray(int[][]::new);
  }

  /**
   * @throws IllegalArgumentException naming the one that is empty or too long, or their number
   */
  public static StopStrings of(List<String> stops) {
    if (stops.size() > Sampling.MAX_STOPS) {
      throw new IllegalArgumentException(
          stops.size() + " stop strings; at most " + Sampling.MAX_STOPS + " are allowed");
    }
    for (int i = 0; i < stops.size(); i++) {
      int length = stops.get(i).length();
      if (length == 0 || length > Sampling.MAX_STOP_LENGTH) {
        throw new IllegalArgumentException(
            "stop string "
                + i
                + " has "
                + length
                + " characters; allowed are 1 to "
                + Sampling.MAX_STOP_LENGTH);
      }
    }
    return new StopStrings(stops);
  }

  /** Whether there is nothing to look for. */
  public boolean isEmpty() {
    return stops.isEmpty();
  }

  /** A matcher at the start of a text. */
  public Matcher matcher() {
    return new Matcher();
  }

  /**
   * For each prefix of {@code stop}, the length of the longest shorter prefix that it ends with
   * (Knuth, Morris, Pratt 1977).
   */
  private static int[] failures(String stop) {
    int[] failure = new int[stop.length()];
    for (int i = 1, matched = 0; i < stop.length(); i++) {
      matched = extend(stop, failure, matched, stop.charAt(i));
      failure[i] = matched;
    }
    return failure;
  }

  private static int extend(String stop, int[] failure, int matched, char next) {
    int length = matched;
    while (length > 0 && stop.charAt(length) != next) {
      length = failure[length - 1];
    }
    return stop.charAt(length) == next ? length + 1 : length;
  }

  /** Follows one text. Not thread-safe. */
  public final class Matcher {

    private final int[] matched = new int[stops.size()];
    private final StringBuilder held = new StringBuilder();
    private @Nullable String match;

    private Matcher() {}

    /**
     * Takes more of the text.
     *
     * @return what is now known to stand before any match; after a match nothing
     */
    public String append(String text) {
      if (match != null) {
        return "";
      }
      for (int i = 0; i < text.length(); i++) {
        held.append(text.charAt(i));
        String found = advance(text.charAt(i));
        if (found != null) {
          match = found;
          held.setLength(held.length() - found.length());
          return release(held.length());
        }
      }
      return release(held.length() - longestBeginning());
    }

    /** Ends the text and returns what was held back as a possible beginning of a match. */
    public String finish() {
      return release(held.length());
    }

    /** The stop string that was found; the text before it is what {@link #append} returned. */
    public Optional<String> match() {
      return Optional.ofNullable(match);
    }

    private @Nullable String advance(char next) {
      String longest = null;
      for (int i = 0; i < matched.length; i++) {
        String stop = stops.get(i);
        matched[i] = extend(stop, failures[i], matched[i], next);
        if (matched[i] == stop.length()) {
          longest = longest == null || stop.length() > longest.length() ? stop : longest;
          matched[i] = 0; // never read again: the matcher ends here
        }
      }
      return longest;
    }

    private int longestBeginning() {
      int longest = 0;
      for (int length : matched) {
        longest = Math.max(longest, length);
      }
      return longest;
    }

    private String release(int length) {
      String text = held.substring(0, length);
      held.delete(0, length);
      return text;
    }
  }
}
