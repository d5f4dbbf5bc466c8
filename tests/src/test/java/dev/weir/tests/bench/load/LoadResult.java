package dev.weir.tests.bench.load;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What a workload got.
 *
 * @param start when it began, in {@link System#nanoTime}
 * @param outcomes of all requests that were sent, by dialogue and turn
 */
record LoadResult(long start, List<Outcome> outcomes) {
  private static final double NANOS = 1e9;

  List<Outcome> succeeded() {
    return outcomes.stream().filter(Outcome::succeeded).toList();
  }

  /** From the start to the last piece of any answer. */
  double seconds() {
    return (outcomes.stream().mapToLong(Outcome::end).max().orElse(start) - start) / NANOS;
  }

  /** A figure of each request that succeeded and has it. */
  Values of(ToDoubleFunction<Outcome> figure) {
    return Values.of(
        succeeded().stream().mapToDouble(figure).filter(one -> !Double.isNaN(one)).toArray());
  }

  /** All times between pieces of all requests, in seconds. */
  Values gaps() {
    return Values.of(succeeded().stream().flatMapToDouble(Outcome::gaps).toArray());
  }

  /** A count per second, for example of tokens. */
  double perSecond(ToDoubleFunction<Outcome> count) {
    return succeeded().stream().mapToDouble(count).sum() / seconds();
  }

  /** The share of prompt tokens that servers did not compute again. */
  double cachedShare() {
    double prompts = succeeded().stream().mapToDouble(Outcome::promptTokens).sum();
    return succeeded().stream().mapToDouble(Outcome::cachedTokens).sum() / prompts;
  }

  /** Requests per second that met their objective (goodput). */
  double goodput(Objective objective) {
    return perSecond(one -> objective.met(one) ? 1 : 0);
  }

  /** How many requests failed, and how. */
  Map<Failure.Kind, Integer> failures() {
    Map<Failure.Kind, Integer> failures = new EnumMap<>(Failure.Kind.class);
    for (Outcome one : outcomes) {
      if (!one.succeeded()) {
        Failure failure = one.failure();
        failures.merge(failure == null ? Failure.Kind.CUT_OFF : failure.kind(), 1, Integer::sum);
      }
    }
    return failures;
  }
}
