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
 * @param decodeSeconds what a step of the streams alone takes
 * @param extraSeconds E
 * @param worstSeconds of the longest step; NaN where it does not tell
 * @param misprediction how far the engine's predictions of these steps were off, as the median
 *     share of what they took; NaN where it does not tell
 */
record Balance(
    long steps,
    double seconds,
    double decodeSeconds,
    double extraSeconds,
    double worstSeconds,
    double misprediction) {

  /** From counters: all that steps took beyond their number times what they took before. */
  static @Nullable Balance ofCounters(EngineWork before, EngineWork during) {
    if (before.steps() == 0) {
      return null;
    }
    double decode = before.seconds() / before.steps();
    double extra = during.seconds() - during.steps() * decode;
    return new Balance(during.steps(), during.seconds(), decode, extra, Double.NaN, Double.NaN);
  }

  /**
   * From the step log: what each step with prefill took beyond the median step before.
   *
   * @param before at least one
   */
  static Balance ofSteps(List<EngineStep> before, List<EngineStep> during) {
    double decode =
        Values.of(
                before.stream()
                    .filter(step -> step.prefillTokens() == 0)
                    .mapToDouble(EngineStep::seconds)
                    .toArray())
            .median();
    double extra =
        during.stream()
            .filter(step -> step.prefillTokens() > 0)
            .mapToDouble(step -> step.seconds() - decode)
            .sum();
    return new Balance(
        during.size(),
        during.stream().mapToDouble(EngineStep::seconds).sum(),
        decode,
        extra,
        during.stream().mapToDouble(EngineStep::seconds).max().orElse(Double.NaN),
        Values.of(during.stream().mapToDouble(EngineStep::misprediction).toArray()).median());
  }

  /** How much longer steps took on average than the streams alone, as a factor. */
  double inflation() {
    return seconds / steps / decodeSeconds;
  }

  /** The longest step, as a multiple of one of the streams alone. */
  double worstStep() {
    return worstSeconds / decodeSeconds;
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
