package dev.weir.engine.plan;

/**
 * What a step costs, learnt from steps that were measured: {@code t = a + b·T + c·Σ chunk·(prefix +
 * chunk/2) + d·Σ decodeContext}. Recursive least squares with forgetting (Haykin, Adaptive Filter
 * Theory, ch. 10), so it follows a machine that warms up or is shared. Times are in nanoseconds.
 * One model per device; not thread-safe.
 *
 * <p>Predictions never use a negative coefficient: with little variety in the steps so far the fit
 * may explain one term by another, and a planner must not be told that more work takes less time.
 */
public final class CostModel {
  private static final int TERMS = 4;

  /**
   * Keeps about the last 200 steps: long enough to see prefills, short enough to follow a changed
   * machine.
   */
  private static final double FORGETTING = 0.995;

  /**
   * Variance of the coefficients (in units of the scaled terms) before anything was measured: they
   * may be anything.
   */
  private static final double INITIAL_VARIANCE = 1e6;

  /**
   * Variance is not let grow beyond this while steps are all alike, or one odd step could throw the
   * fit anywhere.
   */
  private static final double MAX_VARIANCE = 1e8;

  /**
   * A step that took this many times its prediction was disturbed (a collection, another process) …
   */
  private static final double OUTLIER = 4;

  /** … unless this many in a row say the same: then the machine has changed. */
  private static final int OUTLIERS_BELIEVED = 8;

  /** Steps that are learnt from before any is called an outlier. */
  private static final int TRUSTED_AFTER = 16;

  // Terms are scaled to be of order one for ordinary steps, times to milliseconds, for a
  // well-conditioned fit.
  private static final double TOKENS_SCALE = 1.0 / 64;
  private static final double PAIRS_SCALE = 1.0 / (64 * 1024);
  private static final double CONTEXT_SCALE = 1.0 / (8 * 1024);
  private static final double NANOS_PER_UNIT = 1e6;

  private final double[] coefficients = new double[TERMS];
  private final double[][] covariance = new double[TERMS][TERMS];
  private final double[] terms = new double[TERMS];
  private final double[] gain = new double[TERMS];
  private final double[] projected = new double[TERMS];
  private int learnt;
  private int outliers;

  public CostModel() {
    for (int i = 0; i < TERMS; i++) {
      covariance[i][i] = INITIAL_VARIANCE;
    }
  }

  /** How many steps the model has learnt from. */
  public int learnt() {
    return learnt;
  }

  /** Predicted nanoseconds of a step. */
  public double predict(StepWork work) {
    return predict(work.tokens(), work.prefillPairs(), work.decodeContext());
  }

  private double predict(double tokens, double prefillPairs, double decodeContext) {
    return NANOS_PER_UNIT
        * (Math.max(0, coefficients[0])
            + Math.max(0, coefficients[1]) * tokens * TOKENS_SCALE
            + Math.max(0, coefficients[2]) * prefillPairs * PAIRS_SCALE
            + Math.max(0, coefficients[3]) * decodeContext * CONTEXT_SCALE);
  }

  /** Predicted nanoseconds that a prefill chunk adds to a step. */
  public double chunkCost(int prefix, int length) {
    return perToken() * length + perPair() * StepWork.pairs(prefix, length);
  }

  /**
   * The longest chunk behind {@code prefix} tokens that adds at most {@code nanos} to a step: the
   * root of {@code c/2 x² + (b + c·prefix) x = nanos}.
   *
   * @return 0 if not even one token fits; at most {@code limit}
   */
  public int longestChunk(int prefix, double nanos, int limit) {
    if (nanos <= 0) {
      return 0;
    }
    double quadratic = perPair() / 2;
    double linear = perToken() + perPair() * prefix;
    double length;
    if (quadratic * limit * limit + linear * limit <= nanos) {
      return limit;
    } else if (quadratic <= 0) {
      length = nanos / linear;
    } else {
      // The form that does not cancel when the quadratic term is tiny.
      length = 2 * nanos / (linear + Math.sqrt(linear * linear + 4 * quadratic * nanos));
    }
    return (int) Math.min(limit, Math.floor(length));
  }

  private double perToken() {
    return NANOS_PER_UNIT * Math.max(0, coefficients[1]) * TOKENS_SCALE;
  }

  private double perPair() {
    return NANOS_PER_UNIT * Math.max(0, coefficients[2]) * PAIRS_SCALE;
  }

  /** Learns from a step that took {@code nanos}. */
  public void learn(StepWork work, double nanos) {
    double predicted = predict(work);
    boolean outlier = learnt >= TRUSTED_AFTER && nanos > OUTLIER * predicted;
    if (outlier && ++outliers < OUTLIERS_BELIEVED) {
      return;
    }
    outliers = 0;
    learnt++;

    terms[0] = 1;
    terms[1] = work.tokens() * TOKENS_SCALE;
    terms[2] = work.prefillPairs() * PAIRS_SCALE;
    terms[3] = work.decodeContext() * CONTEXT_SCALE;
    double error = nanos / NANOS_PER_UNIT;
    double denominator = FORGETTING;
    for (int i = 0; i < TERMS; i++) {
      error -= coefficients[i] * terms[i];
      projected[i] = 0;
      for (int j = 0; j < TERMS; j++) {
        projected[i] += covariance[i][j] * terms[j];
      }
      denominator += terms[i] * projected[i];
    }
    for (int i = 0; i < TERMS; i++) {
      gain[i] = projected[i] / denominator;
      coefficients[i] += gain[i] * error;
    }
    for (int i = 0; i < TERMS; i++) {
      for (int j = 0; j < TERMS; j++) {
        double next = covariance[i][j] - gain[i] * projected[j];
        boolean grow = covariance[i][i] < MAX_VARIANCE && covariance[j][j] < MAX_VARIANCE;
        covariance[i][j] = grow ? next / FORGETTING : next;
      }
    }
  }
}
