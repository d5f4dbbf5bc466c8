package dev.weir.engine.replay;

import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.simulate.StepCost;
import java.util.ArrayList;
import java.util.List;

/**
 * What steps cost, from steps that were measured: least squares of relative errors over the four
 * terms of {@link StepCost}, none of them negative, without the steps that were disturbed. Errors
 * are relative to what the fit before says, not to what was measured: else those that happened to
 * be quick would count most.
 */
final class CostFit {
  private static final int TERMS = 4;

  /** A step that took so many times what the rest say was disturbed. */
  private static final double OUTLIER = 3;

  /** Weights change little after the second. */
  private static final int ROUNDS = 4;

  /** Keeps terms that never varied at nothing, and hardly touches the others. */
  private static final double RIDGE = 1e-9;

  private CostFit() {}

  /**
   * The cost of a journal's steps.
   *
   * @throws IllegalArgumentException if there are none
   */
  static StepCost of(List<JournalRecord.Step> steps) {
    if (steps.isEmpty()) {
      throw new IllegalArgumentException("the journal has no steps to learn from what they cost");
    }
    double mean = steps.stream().mapToLong(JournalRecord.Step::nanos).average().orElse(1);
    StepCost cost = new StepCost(mean, 0, 0, 0);
    List<JournalRecord.Step> used = steps;
    for (int round = 0; round < ROUNDS; round++) {
      cost = fit(used, cost);
      used = undisturbed(steps, cost);
    }
    return cost;
  }

  private static List<JournalRecord.Step> undisturbed(
      List<JournalRecord.Step> steps, StepCost cost) {
    List<JournalRecord.Step> undisturbed = new ArrayList<>();
    for (JournalRecord.Step step : steps) {
      if (step.nanos() <= OUTLIER * predict(cost, step)) {
        undisturbed.add(step);
      }
    }
    return undisturbed.isEmpty() ? steps : undisturbed;
  }

  private static double predict(StepCost cost, JournalRecord.Step step) {
    return cost.fixedNanos()
        + cost.tokenNanos() * step.tokens()
        + cost.pairNanos() * step.prefillPairs()
        + cost.contextNanos() * step.decodeContext();
  }

  /** Leaves out the most negative term, again and again, until none is. */
  private static StepCost fit(List<JournalRecord.Step> steps, StepCost before) {
    boolean[] used = {true, true, true, true};
    for (int left = TERMS; left > 0; left--) {
      double[] terms = solve(steps, before, used);
      int worst = 0;
      for (int i = 1; i < TERMS; i++) {
        worst = terms[i] < terms[worst] ? i : worst;
      }
      if (terms[worst] >= 0) {
        return new StepCost(terms[0], terms[1], terms[2], terms[3]);
      }
      used[worst] = false;
    }
    double mean = steps.stream().mapToLong(JournalRecord.Step::nanos).average().orElse(0);
    return new StepCost(mean, 0, 0, 0);
  }

  /** The normal equations of the used terms; 0 for the others. */
  private static double[] solve(List<JournalRecord.Step> steps, StepCost before, boolean[] used) {
    double[][] matrix = new double[TERMS][TERMS + 1];
    double[] scale = new double[TERMS];
    for (JournalRecord.Step step : steps) {
      double[] terms = terms(step);
      for (int i = 0; i < TERMS; i++) {
        scale[i] = Math.max(scale[i], terms[i]);
      }
    }
    for (JournalRecord.Step step : steps) {
      double[] terms = terms(step);
      double expected = Math.max(1, predict(before, step));
      for (int i = 0; i < TERMS; i++) {
        double row = used[i] && scale[i] > 0 ? terms[i] / scale[i] / expected : 0;
        for (int j = 0; j < TERMS; j++) {
          double column = used[j] && scale[j] > 0 ? terms[j] / scale[j] / expected : 0;
          matrix[i][j] += row * column;
        }
        matrix[i][TERMS] += row * step.nanos() / expected;
      }
    }
    double largest = 0;
    for (int i = 0; i < TERMS; i++) {
      largest = Math.max(largest, matrix[i][i]);
    }
    for (int i = 0; i < TERMS; i++) {
      matrix[i][i] += largest * RIDGE;
    }
    double[] solution = eliminate(matrix);
    for (int i = 0; i < TERMS; i++) {
      solution[i] = used[i] && scale[i] > 0 ? solution[i] / scale[i] : 0;
    }
    return solution;
  }

  private static double[] terms(JournalRecord.Step step) {
    return new double[] {1, step.tokens(), step.prefillPairs(), step.decodeContext()};
  }

  /** Gauss; the matrix is symmetric and positive definite, so pivots need no search. */
  private static double[] eliminate(double[][] matrix) {
    for (int pivot = 0; pivot < TERMS; pivot++) {
      for (int row = 0; row < TERMS; row++) {
        if (row != pivot) {
          double factor = matrix[row][pivot] / matrix[pivot][pivot];
          for (int column = pivot; column <= TERMS; column++) {
            matrix[row][column] -= factor * matrix[pivot][column];
          }
        }
      }
    }
    double[] solution = new double[TERMS];
    for (int i = 0; i < TERMS; i++) {
      solution[i] = matrix[i][TERMS] / matrix[i][i];
    }
    return solution;
  }
}
