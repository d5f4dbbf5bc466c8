package dev.weir.tests.bench.load;

import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/**
 * One request as its client saw it. Times are in {@link System#nanoTime}.
 *
 * @param dialogue the dialogue's number
 * @param turn of it, from 0
 * @param due when it should have been sent: what waiting is counted from
 * @param sent when it was
 * @param arrivals when pieces of the answer came
 * @param promptTokens as the server counted; 0 if it did not say
 * @param cachedTokens of these, the ones that it did not compute again
 * @param outputTokens of the answer; as many as there were pieces if the server did not say
 * @param failure null if all went well
 */
record Outcome(
    int dialogue,
    int turn,
    long due,
    long sent,
    long[] arrivals,
    int promptTokens,
    int cachedTokens,
    int outputTokens,
    @Nullable Failure failure) {

  private static final double NANOS = 1e9;

  static Outcome of(int dialogue, int turn, long due, StreamedCompletion done) {
    StreamReader said = done.said();
    long[] arrivals = done.arrivals();
    return new Outcome(
        dialogue,
        turn,
        due,
        done.sent(),
        arrivals,
        said.promptTokens(),
        said.cachedTokens(),
        said.outputTokens() > 0 ? said.outputTokens() : arrivals.length,
        done.failure());
  }

  /** Whether it got a whole answer. */
  boolean succeeded() {
    return failure == null && arrivals.length > 0;
  }

  /** When its last piece came; when it was sent if none did. */
  long end() {
    return arrivals.length == 0 ? sent : arrivals[arrivals.length - 1];
  }

  /** Seconds that the client itself was late. */
  double lag() {
    return (sent - due) / NANOS;
  }

  /** Seconds to the first piece (TTFT). */
  double firstToken() {
    return (arrivals[0] - due) / NANOS;
  }

  /** Seconds to the last piece (E2E). */
  double whole() {
    return (end() - due) / NANOS;
  }

  /** Mean seconds per token after the first (TPOT); NaN for an answer of one token. */
  double perToken() {
    return outputTokens < 2 ? Double.NaN : (end() - arrivals[0]) / NANOS / (outputTokens - 1);
  }

  /** Seconds between pieces (ITL). */
  DoubleStream gaps() {
    DoubleStream.Builder gaps = DoubleStream.builder();
    for (int i = 1; i < arrivals.length; i++) {
      gaps.add((arrivals[i] - arrivals[i - 1]) / NANOS);
    }
    return gaps.build();
  }
}
