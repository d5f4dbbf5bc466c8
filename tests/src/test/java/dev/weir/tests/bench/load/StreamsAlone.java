package dev.weir.tests.bench.load;

import java.util.List;

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
   * From the steps without prefill, and with as many rows, before and after a storm.
   *
   * @param before at least one without prefill
   * @param after none: contexts do not count
   */
  static StreamsAlone of(List<EngineStep> before, List<EngineStep> after) {
    List<EngineStep> early = before.stream().filter(step -> step.prefillTokens() == 0).toList();
    BenchFailedException.unless(!early.isEmpty(), "no step of the streams alone before the storm");
    double rows = Values.of(early.stream().mapToDouble(EngineStep::decodeRows).toArray()).median();
    List<EngineStep> late =
        after.stream()
            .filter(step -> step.prefillTokens() == 0 && step.decodeRows() == rows)
            .toList();
    double growth =
        late.isEmpty()
            ? 0
            : (medianSeconds(late) - medianSeconds(early)) / (middle(late) - middle(early));
    return new StreamsAlone(middle(early), medianSeconds(early), growth);
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
