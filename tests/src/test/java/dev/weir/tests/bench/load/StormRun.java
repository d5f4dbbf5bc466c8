package dev.weir.tests.bench.load;

import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/**
 * What a storm did to the streams. Times are in {@link System#nanoTime}.
 *
 * @param streams per stream, per request of it, when its pieces arrived
 * @param begin every stream was running, and warm
 * @param sent the long prompts were sent
 * @param answered the last of them had its first token
 * @param end nothing is watched after this
 * @param tokensPerPiece tokens in one piece of this server
 * @param promptTokens of one long prompt, as the server counted them
 * @param failures requests of the streams that failed
 * @param balance of the engine's work while the prompts were prefilled; null where it does not tell
 */
record StormRun(
    List<List<long[]>> streams,
    long begin,
    long sent,
    long answered,
    long end,
    double tokensPerPiece,
    int promptTokens,
    List<Failure> failures,
    @Nullable Balance balance) {

  private static final double NANOS = 1e9;

  /** Tokens per second of the median stream, before the storm. */
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

  /** The share of its speed that the median stream kept. */
  double kept() {
    return during() / before();
  }

  /** Seconds from sending the long prompts to the last one's first token. */
  double promptSeconds() {
    return (answered - sent) / NANOS;
  }

  /** Tokens per second of the median stream. */
  double rate(long from, long to) {
    return Values.of(streams.stream().mapToDouble(one -> rate(one, from, to)).toArray()).median();
  }

  private double rate(List<long[]> stream, long from, long to) {
    long pieces =
        stream.stream()
            .mapToLong(one -> Arrays.stream(one).filter(t -> t >= from && t < to).count())
            .sum();
    return pieces * tokensPerPiece / ((to - from) / NANOS);
  }

  /**
   * Seconds between pieces of one request, for gaps that overlap a span; one that spans all of it
   * counts whole.
   */
  Values gaps(long from, long to) {
    DoubleStream.Builder gaps = DoubleStream.builder();
    for (List<long[]> stream : streams) {
      for (long[] pieces : stream) {
        for (int i = 1; i < pieces.length; i++) {
          if (pieces[i] >= from && pieces[i - 1] < to) {
            gaps.add((pieces[i] - pieces[i - 1]) / NANOS);
          }
        }
      }
    }
    return Values.of(gaps.build().toArray());
  }

  /** The longest gap before the storm, as a multiple of the median: what the machine does alone. */
  double worstGapBefore() {
    Values before = gaps(begin, sent);
    return before.max() / before.median();
  }

  /** The longest gap while the prompts were prefilled, as a multiple of the median before. */
  double worstGap() {
    return gaps(sent, answered).max() / gaps(begin, sent).median();
  }

  /**
   * The prompts' own time as a multiple of what it must be by the balance; NaN where the engine
   * tells nothing.
   *
   * @param inflation how much longer a step takes on average, as a factor
   */
  double ofBalance(double inflation) {
    return balance == null ? Double.NaN : promptSeconds() / balance.promptSeconds(inflation);
  }
}
