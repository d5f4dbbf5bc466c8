package dev.weir.engine.replay;

import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.simulate.StepCost;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What steps cost, from steps that were measured: least squares of relative errors over the four
 * terms of {@link StepCost}, none of them negative, without the steps that were disturbed. Errors
 * are relative to what the fit before says, not to what was measured: else those that happened to
 * be quick would count most.
 */
public final class CostFit {
  private static final int TERMS = 4;

  /** A step that took so many times what the rest say was disturbed. */
  private static final double OUTLIER = 3;

  /** Weights change little after the second. */
  private static final int ROUNDS = 4;

  /** Keeps terms that never varied at nothing, and hardly touches the others. */
  private static final double RIDGE = 1e-9;

  private CostFit() {}

  /**
   * What was found.
   *
   * @param cost of a step on its device
   * @param hostNanos what passes between two steps that follow each other, in the middle of all
   * @param disturbed how many steps were left out: they took far longer than the rest say
   * @param disturbedShare their part of the time of all steps, from 0 to 1
   */
  public record Fit(StepCost cost, double hostNanos, int disturbed, double disturbedShare) {}

  /**
   * The cost of a journal's steps.
   *
   * @throws IllegalArgumentException if there are none
   */
  static Fit of(List<JournalRecord.Step> steps) {
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
    double all = steps.stream().mapToLong(JournalRecord.Step::nanos).sum();
    double kept = used.stream().mapToLong(JournalRecord.Step::nanos).sum();
    return new Fit(
        cost, hostNanos(steps), steps.size() - used.size(), all == 0 ? 0 : 1 - kept / all);
  }

  /** Only where a stream goes on from one step to the next: else there may be nothing to do. */
  private static double hostNanos(List<JournalRecord.Step> steps) {
    Map<Integer, JournalRecord.Step> lastOf = new HashMap<>();
    List<Long> between = new ArrayList<>();
    for (JournalRecord.Step step : steps) {
      JournalRecord.Step before = lastOf.put(step.device(), step);
      if (before != null && goesOn(before, step)) {
        between.add(Math.max(0, step.endNanos() - step.nanos() - before.endNanos()));
      }
    }
    Collections.sort(between);
    return between.isEmpty() ? 0 : between.get(between.size() / 2);
  }

  private static boolean goesOn(JournalRecord.Step step, JournalRecord.Step next) {
    for (JournalRecord.Entry one : step.entries()) {
      for (JournalRecord.Entry other : next.entries()) {
        if (one.request() == other.request() && one.choice() == other.choice()) {
          return true;
        }
      }
    }
    return false;
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
        + cost.contextNanos() * step.context();
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
    return new double[] {1, step.tokens(), step.prefillPairs(), step.context()};
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
