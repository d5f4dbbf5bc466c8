package dev.weir.tests.gpucheck;

import dev.weir.kernels.StepInputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Steps of equal sequences, whose blocks lie anywhere in the arena. */
final class TimedStep {
  private TimedStep() {}

  /**
   * @param context the length of every sequence once the step is done
   * @param tokens of every sequence that the step computes, its last ones
   * @param blocks of a sequence
   */
  static StepInputs of(
      TimedDevice timed, int batch, int context, int tokens, int blocks, int vocabulary) {
    List<Integer> order = new ArrayList<>();
    for (int b = 0; b < batch * blocks; b++) {
      order.add(b);
    }
    Collections.shuffle(order, timed.random());
    int rows = batch * tokens;
    int[] positions = new int[rows];
    int[] slices = new int[rows];
    int[] offsets = new int[batch + 1];
    int[] lengths = new int[batch];
    int[] tableRows = new int[batch];
    int[] sampled = new int[batch];
    Arrays.fill(lengths, context);
    for (int s = 0; s < batch; s++) {
      offsets[s + 1] = (s + 1) * tokens;
      tableRows[s] = s;
      sampled[s] = (s + 1) * tokens - 1;
      for (int t = 0; t < tokens; t++) {
        positions[s * tokens + t] = context - tokens + t;
        slices[s * tokens + t] = s;
      }
    }
    StepInputs step =
        new StepInputs(
            timed.ints(rows, batch, batch),
            timed.ints(timed.random().ints(rows, 0, vocabulary).toArray()),
            timed.ints(positions),
            timed.ints(slices),
            timed.ints(offsets),
            timed.ints(lengths),
            timed.ints(tableRows),
            timed.ints(order.stream().mapToInt(Integer::intValue).toArray()),
            blocks,
            timed.ints(sampled),
            null);
    step.counts(rows, batch, batch);
    return step;
  }
}
