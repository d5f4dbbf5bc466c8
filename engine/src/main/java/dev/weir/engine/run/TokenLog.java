package dev.weir.engine.run;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.TokenEvent.Alternative;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tokens of one choice, written by the step thread and read by one reader. It is as long as the
 * choice can become, set aside by the submitting thread: the writer never waits, never allocates,
 * and never overwrites what was not read.
 */
final class TokenLog {
  private final int[] ids;
  private final float[] logprobs;
  private final int alternatives;
  private final int[] alternativeIds;
  private final float[] alternativeLogprobs;

  private int written;
  private volatile int published;
  private volatile @Nullable Ending ending;

  /** How a log ends: a reason, or a failure. */
  record Ending(@Nullable FinishReason reason, @Nullable RuntimeException failure) {

    static Ending failure(RuntimeException cause) {
      return new Ending(null, cause);
    }
  }

  /**
   * @param capacity the most tokens
   * @param alternatives how many alternatives per token; negative: no logprobs at all
   */
  TokenLog(int capacity, int alternatives) {
    ids = new int[capacity];
    logprobs = new float[alternatives >= 0 ? capacity : 0];
    this.alternatives = Math.max(0, alternatives);
    alternativeIds = new int[Math.multiplyExact(capacity, this.alternatives)];
    alternativeLogprobs = new float[alternativeIds.length];
  }

  /** Step thread: adds a token; {@link #publish} shows it. */
  void add(int id, float logprob) {
    ids[written] = id;
    if (logprobs.length > 0) {
      logprobs[written] = logprob;
    }
    written++;
  }

  /** Step thread: sets alternative {@code rank} of the token added last. */
  void alternative(int rank, int id, float logprob) {
    int at = (written - 1) * alternatives + rank;
    alternativeIds[at] = id;
    alternativeLogprobs[at] = logprob;
  }

  /** Step thread: how many alternatives each token has. */
  int alternatives() {
    return alternatives;
  }

  /** Step thread: makes added tokens visible. */
  void publish() {
    published = written;
  }

  /** Step thread: nothing follows. */
  void end(Ending how) {
    publish();
    ending = how;
  }

  /** Reader: how many tokens can be read. */
  int published() {
    return published;
  }

  /**
   * Reader: how the log ended; null while it goes on. Once non-null, {@link #published} is final.
   */
  @Nullable Ending ending() {
    return ending;
  }

  int id(int index) {
    return ids[index];
  }

  float logprob(int index) {
    return logprobs.length > 0 ? logprobs[index] : Float.NaN;
  }

  List<Alternative> alternatives(int index) {
    if (alternatives == 0) {
      return List.of();
    }
    List<Alternative> list = new ArrayList<>(alternatives);
    for (int at = index * alternatives; at < (index + 1) * alternatives; at++) {
      if (alternativeIds[at] >= 0) { // a vocabulary can be smaller than what was asked for
        list.add(new Alternative(alternativeIds[at], alternativeLogprobs[at]));
      }
    }
    return list;
  }
}
