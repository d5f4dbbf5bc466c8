package dev.weir.tests.bench.load;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a step takes that only draws the streams' tokens. Their contexts grow, so a later step takes
 * longer whatever else happens: between the steps before a storm and those after it, on a straight
 * line over their numbers.
 *
 * @param number of the step in the middle of those before
 * @param seconds it took
 * @param growth seconds that each step takes longer than the one before it
 */
record StreamsAlone(double number, double seconds, double growth) {

  /**
   * From the steps before and after a storm that have no prefill, and as many rows as most.
   *
   * @param after none: contexts do not count
   * @return null where there is none before
   */
  static @Nullable StreamsAlone of(List<EngineStep> before, List<EngineStep> after) {
    double[] allRows =
        before.stream()
            .filter(step -> step.prefillTokens() == 0)
            .mapToDouble(EngineStep::decodeRows)
            .toArray();
    if (allRows.length == 0) {
      return null;
    }
    int rows = (int) Values.of(allRows).quantile(0.5);
    List<EngineStep> early = alone(before, rows);
    List<EngineStep> late = alone(after, rows);
    double growth =
        late.isEmpty()
            ? 0
            : (medianSeconds(late) - medianSeconds(early)) / (middle(late) - middle(early));
    return new StreamsAlone(middle(early), medianSeconds(early), growth);
  }

  private static List<EngineStep> alone(List<EngineStep> steps, int rows) {
    return steps.stream()
        .filter(step -> step.prefillTokens() == 0 && step.decodeRows() == rows)
        .toList();
  }

  /** What the step of that number takes. */
  double secondsOf(long step) {
    return seconds + (step - number) * growth;
  }

  private static double medianSeconds(List<EngineStep> steps) {
    return Values.of(steps.stream().mapToDouble(EngineStep::seconds).toArray()).median();
  }

  private static double middle(List<EngineStep> steps) {
    return Values.of(steps.stream().mapToDouble(EngineStep::number).toArray()).median();
  }
}
