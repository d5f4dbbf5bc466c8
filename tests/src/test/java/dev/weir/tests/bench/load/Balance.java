package dev.weir.tests.bench.load;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What must balance while a prompt is prefilled beside streams: with r the factor by which steps
 * may take longer on average and E what prefill added to steps in all, the prompt takes {@code E ·
 * r / (r − 1)}.
 *
 * @param steps computed while the prompt was prefilled
 * @param seconds they took
 * @param aloneSeconds what they would have taken with the streams alone
 * @param extraSeconds E
 * @param worstStep the longest step, as a multiple of what it takes with the streams alone; NaN
 *     where it does not tell
 * @param misprediction how far the engine's predictions of these steps were off, as the median
 *     share of what they took; NaN where it does not tell
 */
record Balance(
    long steps,
    double seconds,
    double aloneSeconds,
    double extraSeconds,
    double worstStep,
    double misprediction) {

  /** From counters: all that steps took beyond their number times what they took before. */
  static @Nullable Balance ofCounters(EngineWork before, EngineWork during) {
    if (before.steps() == 0) {
      return null;
    }
    double alone = during.steps() * before.seconds() / before.steps();
    double extra = during.seconds() - alone;
    return new Balance(during.steps(), during.seconds(), alone, extra, Double.NaN, Double.NaN);
  }

  /** From the step log: what each step with prefill took beyond what the streams alone take. */
  static Balance ofSteps(StreamsAlone alone, List<EngineStep> during) {
    double extra =
        during.stream()
            .filter(step -> step.prefillTokens() > 0)
            .mapToDouble(step -> step.seconds() - alone.secondsOf(step.number()))
            .sum();
    return new Balance(
        during.size(),
        during.stream().mapToDouble(EngineStep::seconds).sum(),
        during.stream().mapToDouble(step -> alone.secondsOf(step.number())).sum(),
        extra,
        during.stream()
            .mapToDouble(step -> step.seconds() / alone.secondsOf(step.number()))
            .max()
            .orElse(Double.NaN),
        Values.of(during.stream().mapToDouble(EngineStep::misprediction).toArray()).median());
  }

  /** How much longer steps took on average than with the streams alone, as a factor. */
  double inflation() {
    return seconds / aloneSeconds;
  }

  /**
   * How long the prompt takes if steps take so much longer on average.
   *
   * @param inflation r, above 1
   */
  double promptSeconds(double inflation) {
    return extraSeconds * inflation / (inflation - 1);
  }
}
