package dev.weir.tests.gpucheck;

import dev.weir.engine.Engine;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TokenEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Requests of random tokens to a running engine, and what it does meanwhile. */
final class EngineLoad {
  private final Engine engine;
  private final Random random;
  private final List<Generation> decoding = new ArrayList<>();

  EngineLoad(Engine engine, long seed) {
    this.engine = engine;
    random = new Random(seed);
  }

  /** Starts sequences that decode until {@link #stop}, and returns when each has drawn a token. */
  void decode(int batch, int context, int most, Terms terms) throws InterruptedException {
    for (int i = 0; i < batch; i++) {
      decoding.add(submit(context, most, terms));
    }
    for (Generation generation : decoding) {
      TokenEvent first = generation.next();
      if (!(first instanceof TokenEvent.Token)) {
        throw new IllegalStateException("a sequence ended before it decoded: " + first);
      }
    }
  }

  /** Ends them. */
  void stop() throws InterruptedException {
    for (Generation generation : decoding) {
      generation.cancel();
    }
    for (Generation generation : decoding) {
      generation.await();
    }
    decoding.clear();
  }

  /** The sequence that was started last, to be read on. */
  Generation last() {
    return decoding.getLast();
  }

  Generation submit(int context, int tokens, Terms terms) {
    int[] prompt = random.ints(context, 0, engine.config().vocabSize()).toArray();
    Sampling sampling = Sampling.builder().temperature(0).ignoreEos(true).maxTokens(tokens).build();
    return engine.submit(Request.of(Prompt.of(prompt), sampling).withTerms(terms));
  }

  /**
   * What the engine did between two moments.
   *
   * @param seconds that went by
   * @param steps computed
   * @param tokens drawn
   * @param hostNanos that the step thread worked
   * @param exposedNanos of these, while the device had nothing to do
   */
  record Window(double seconds, long steps, long tokens, long hostNanos, long exposedNanos) {
    double tokensPerSecond() {
      return tokens / seconds;
    }

    double microsPerStep() {
      return seconds * 1e6 / steps;
    }

    double hostMicrosPerStep() {
      return hostNanos / 1e3 / steps;
    }

    double exposedMicrosPerStep() {
      return exposedNanos / 1e3 / steps;
    }
  }

  /** Watches until so many steps are done, so many seconds are over, or a sequence has ended. */
  Window watch(long steps, double seconds) throws InterruptedException {
    EngineStats start = engine.stats();
    long from = System.nanoTime();
    EngineStats now = start;
    while (now.steps() - start.steps() < steps
        && now.running() >= decoding.size()
        && System.nanoTime() - from < seconds * 1e9) {
      Thread.sleep(1);
      now = engine.stats();
    }
    return between(start, from, now, System.nanoTime());
  }

  static Window between(EngineStats start, long from, EngineStats end, long to) {
    return new Window(
        (to - from) / 1e9,
        end.steps() - start.steps(),
        end.decodeTokens() - start.decodeTokens(),
        end.hostNanos() - start.hostNanos(),
        end.exposedNanos() - start.exposedNanos());
  }
}
