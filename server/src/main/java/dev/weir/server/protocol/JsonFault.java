package dev.weir.server.protocol;

import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * What is wrong with a text that is no JSON, and where. The parser explains it with settings of its
 * own, which whoever sent the text does not have: these words are replaced by what JSON (RFC 8259)
 * says, or left out.
 */
final class JsonFault {
  /** The parser quotes what it read, which may be long. */
  private static final int MAX_REASON_CHARS = 200;

  /**
   * What the parser says, and what is said instead.
   *
   * @param instead may name groups
   */
  private record Rule(Pattern said, String instead) {}

  private static final List<Rule> RULES =
      List.of(
          rule("^Non-standard token '([^']*)'.*", "$1 is no JSON value; JSON's numbers are finite"),
          rule("maybe a \\(non-standard\\) comment\\?.*", "JSON has no comments"),
          rule("hexadecimal number literals require.*", "JSON's numbers are decimal"),
          rule("^Trailing token .*", "there is something behind its end"),
          rule(" \\(consider enabling `.*", ""),
          rule(": enable `.*", ""),
          rule(", from `[^`]*`", ""),
          rule(" \\((start marker|for \\w+ starting) at \\[.*", ""));

  private JsonFault() {}

  private static Rule rule(String said, String instead) {
    return new Rule(Pattern.compile(said), instead);
  }

  /** On one line: {@code (line 1, column 20): NaN is no JSON value; …}. */
  static String describe(JacksonException failure) {
    var place = failure.getLocation();
    return place == null || place.getLineNr() < 1
        ? ": " + reason(failure.getOriginalMessage())
        : " (line %d, column %d): %s"
            .formatted(
                place.getLineNr(), place.getColumnNr(), reason(failure.getOriginalMessage()));
  }

  private static String reason(@Nullable String message) {
    String reason = String.valueOf(message).lines().findFirst().orElse("");
    for (Rule rule : RULES) {
      reason = rule.said.matcher(reason).replaceAll(rule.instead);
    }
    return reason.length() > MAX_REASON_CHARS
        ? reason.substring(0, MAX_REASON_CHARS) + "…"
        : reason;
  }
}
