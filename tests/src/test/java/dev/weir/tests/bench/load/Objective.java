package dev.weir.tests.bench.load;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a request's user wants (a service level objective), in seconds; infinity where nothing is
 * wanted.
 *
 * @param firstToken most time to the first token (TTFT)
 * @param perToken most mean time per token after it (TPOT)
 * @param whole most time to the last token (E2E)
 */
record Objective(double firstToken, double perToken, double whole) {

  /** Any answer will do. */
  static final Objective ANY =
      new Objective(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);

  private static final Pattern LIMIT =
      Pattern.compile("(ttft|tpot|e2e)=([0-9]+(?:\\.[0-9]+)?)(ms|s)");

  private static final double MILLIS = 1e-3;

  /** {@code ttft=500ms,tpot=50ms,e2e=10s}, or some of these. */
  static Objective parse(String form) {
    Objective objective = ANY;
    for (String part : form.split(",", -1)) {
      Matcher limit = LIMIT.matcher(part);
      if (!limit.matches()) {
        throw new IllegalArgumentException(
            "'" + part + "' is no objective: give for example ttft=500ms,tpot=50ms,e2e=10s");
      }
      double seconds =
          Double.parseDouble(limit.group(2)) * (limit.group(3).equals("ms") ? MILLIS : 1);
      objective = objective.with(limit.group(1), seconds);
    }
    return objective;
  }

  private Objective with(String name, double seconds) {
    return switch (name) {
      case "ttft" -> new Objective(seconds, perToken, whole);
      case "tpot" -> new Objective(firstToken, seconds, whole);
      default -> new Objective(firstToken, perToken, seconds);
    };
  }

  /** Whether a request got what its user wanted. */
  boolean met(Outcome one) {
    return one.succeeded()
        && one.firstToken() <= firstToken
        && !(one.perToken() > perToken) // one token has no time per token: nothing to miss
        && one.whole() <= whole;
  }
}
