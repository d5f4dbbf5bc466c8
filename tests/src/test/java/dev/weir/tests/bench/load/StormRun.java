package dev.weir.tests.bench.load;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What a storm did to the streams. Times are in {@link System#nanoTime}.
 *
 * @param arrivals per request of a stream, when its pieces arrived
 * @param begin every stream was running
 * @param sent the long prompts were sent
 * @param answered the last of them had its first token
 * @param end nothing is watched after this
 * @param tokensPerPiece tokens in one piece of this server
 * @param promptTokens of one long prompt, as the server counted them
 */
record StormRun(
    List<List<Long>> arrivals,
    long begin,
    long sent,
    long answered,
    long end,
    double tokensPerPiece,
    int promptTokens) {

  private static final double NANOS = 1e9;

  /** Tokens per second of all streams together, before the storm. */
  double before() {
    return rate(begin, sent);
  }

  /** … while the long prompts were prefilled. */
  double during() {
    return rate(sent, answered);
  }

  /** … once they were answered. */
  double after() {
    return rate(answered, end);
  }

  /** The share of their speed that the streams kept. */
  double kept() {
    return during() / before();
  }

  /** Seconds from sending the long prompts to the last one's first token. */
  double promptSeconds() {
    return (answered - sent) / NANOS;
  }

  double rate(long from, long to) {
    long pieces =
        arrivals.stream().flatMap(List::stream).filter(at -> at >= from && at < to).count();
    return pieces * tokensPerPiece / ((to - from) / NANOS);
  }

  /**
   * Gaps between pieces of one stream that overlap a span, ascending, in seconds; one that spans
   * all of it counts whole.
   */
  List<Double> gaps(long from, long to) {
    List<Double> gaps = new ArrayList<>();
    for (List<Long> stream : arrivals) {
      for (int i = 1; i < stream.size(); i++) {
        if (stream.get(i) >= from && stream.get(i - 1) < to) {
          gaps.add((stream.get(i) - stream.get(i - 1)) / NANOS);
        }
      }
    }
    Collections.sort(gaps);
    return gaps;
  }

  /** The longest gap while the prompts were prefilled, as a multiple of the median before. */
  double worstGap() {
    List<Double> during = gaps(sent, answered);
    return during.isEmpty() ? Double.NaN : during.getLast() / quantile(gaps(begin, sent), 0.5);
  }

  /** A quantile of ascending values; NaN if there are none. */
  static double quantile(List<Double> sorted, double q) {
    return sorted.isEmpty() ? Double.NaN : sorted.get((int) Math.round(q * (sorted.size() - 1)));
  }
}
