package dev.weir.engine.plan;

import java.util.Arrays;

/**
 * What a step costs, learnt from steps that were measured: {@code t = a + b·T + c·Σ chunk·(prefix +
 * chunk/2) + d·Σ context}. Recursive least squares with forgetting (Haykin, Adaptive Filter Theory,
 * ch. 10), so it follows a machine that warms up or is shared. Times are in nanoseconds. One model
 * per device; not thread-safe.
 *
 * <p>What is fitted is the relative error: a short step of decode rows counts as much as a long one
 * full of prefill. A step is weighed by its measured time, or (once predictions are worth
 * something) its predicted time if that is longer. So one that took ρ times its prediction pulls
 * with (1 − 1/ρ)/ρ, never more than a quarter, and less the worse it was disturbed (a collection,
 * another process). Where all of a run of steps are far off to the same side the machine has
 * changed, most likely in everything alike: the whole model is scaled.
 *
 * <p>No coefficient is ever negative: with little variety in the steps so far the fit would explain
 * one term by another, and a planner must not be told that more work takes less time. And no chunk
 * is called affordable that is much larger than what was measured ({@link #GROWTH}): while only
 * decode rows were seen, nothing is known about prefill.
 */
public final class CostModel {
  private static final int TERMS = 4;

  /**
   * Keeps about the last 200 steps: long enough to see prefills, short enough to follow a changed
   * machine.
   */
  private static final double FORGETTING = 0.995;

  /**
   * Variance of the coefficients (of scaled terms, in units of the first step's time) before
   * anything was measured: they may be anything.
   */
  private static final double INITIAL_VARIANCE = 1e6;

  /**
   * Variance is not let grow beyond this while steps are all alike: what was learnt about a block
   * of tokens is not thrown over by the noise of a step with one token more.
   */
  private static final double MAX_VARIANCE = 1e4;

  /** A step this many times slower or faster than predicted is far off … */
  private static final double FAR_OFF = 1.5;

  /** … and this many in a row say that the machine has changed. */
  private static final int BELIEVED = 8;

  /** Before that many steps the model is still finding its shape. */
  private static final int TRUSTED_AFTER = 16;

  /** A chunk may be this many times larger than what was measured, in tokens and in pairs. */
  private static final double GROWTH = 4;

  /** A chunk that may always be tried. */
  private static final int TRIAL = 16;

  // Terms are scaled to be of order one for ordinary steps, for a well-conditioned fit.
  private static final double TOKENS_SCALE = 1.0 / 64;
  private static final double PAIRS_SCALE = 1.0 / (64 * 1024);
  private static final double CONTEXT_SCALE = 1.0 / (8 * 1024);

  private final double[] fitted = new double[TERMS];
  private final double[][] covariance = new double[TERMS][TERMS];

  /** Not negative. */
  private final double[] coefficients = new double[TERMS];

  private final double[][] conditional = new double[TERMS][TERMS];
  private final double[] terms = new double[TERMS];
  private final double[] gain = new double[TERMS];
  private final double[] projected = new double[TERMS];
  private final double[] growth = new double[TERMS];

  /** The first step's time: what coefficients are counted in. */
  private double unitNanos;

  private int learnt;
  private int mostTokens;
  private double mostPairs;

  /** How many steps in a row were far off to the same side, and the one nearest to 1 of them. */
  private int farOff;

  private double nearest;

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
    return unitNanos
        * (coefficients[0]
            + coefficients[1] * work.tokens() * TOKENS_SCALE
            + coefficients[2] * work.prefillPairs() * PAIRS_SCALE
            + coefficients[3] * work.context() * CONTEXT_SCALE);
  }

  /** Predicted nanoseconds that a prefill chunk adds to a step. */
  public double chunkCost(int prefix, int length) {
    return rereadCost(prefix) + perToken() * length + perPair() * StepWork.pairs(prefix, length);
  }

  /** Predicted nanoseconds that a chunk takes to read what is before it, however short it is. */
  double rereadCost(int prefix) {
    return perContext() * prefix;
  }

  /**
   * The shortest chunk that is worth a step: one that takes as long for its own tokens as to read
   * what is before it, so that the second is at most half of what prefill costs; shorter if that
   * were more than a step may ever have, but never below the floor. Where tokens take as long to
   * compute as their prefix to read, as on processors, that is a few of them.
   *
   * @param mostNanos that it may add to a step
   * @return at most {@code limit}
   */
  int worthwhileChunk(int prefix, int floor, double mostNanos, int limit) {
    double nanos = Math.min(2 * rereadCost(prefix), mostNanos);
    return Math.max(Math.min(floor, limit), longestChunk(prefix, nanos, limit));
  }

  /**
   * The longest chunk behind {@code prefix} tokens that adds at most {@code nanos} to a step: the
   * root of {@code c/2 x² + (b + c·prefix) x + d·prefix = nanos}.
   *
   * @return 0 if not even one token fits; at most {@code limit}
   */
  public int longestChunk(int prefix, double nanos, int limit) {
    double left = nanos - rereadCost(prefix);
    if (left <= 0) {
      return 0;
    }
    int known = Math.min(limit, Math.max(TRIAL, explored(prefix)));
    double quadratic = perPair() / 2;
    double linear = perToken() + perPair() * prefix;
    if (quadratic * known * known + linear * known <= left) {
      return known;
    }
    return (int) Math.min(known, root(quadratic, linear, left));
  }

  /** The longest chunk that is not much larger than what was measured. */
  private int explored(int prefix) {
    return (int) Math.min(GROWTH * mostTokens, root(0.5, prefix, GROWTH * mostPairs));
  }

  /** The positive root of {@code quadratic·x² + linear·x = value}; 0 if there is none. */
  private static double root(double quadratic, double linear, double value) {
    // The form that does not cancel when the quadratic term is tiny.
    double divisor = linear + Math.sqrt(linear * linear + 4 * quadratic * value);
    return divisor > 0 ? 2 * value / divisor : 0;
  }

  private double perToken() {
    return unitNanos * coefficients[1] * TOKENS_SCALE;
  }

  private double perPair() {
    return unitNanos * coefficients[2] * PAIRS_SCALE;
  }

  private double perContext() {
    return unitNanos * coefficients[3] * CONTEXT_SCALE;
  }

  /**
   * Learns from a step.
   *
   * @param nanos what it took, above 0; others are not believed
   */
  public void learn(StepWork work, double nanos) {
    if (!(nanos > 0)) {
      return;
    }
    if (learnt == 0) {
      unitNanos = nanos;
    }
    boolean trusted = learnt >= TRUSTED_AFTER;
    if (trusted && predict(work) > 0) {
      followChange(nanos / predict(work));
    }
    learnt++;
    mostTokens = Math.max(mostTokens, work.tokens());
    mostPairs = Math.max(mostPairs, work.prefillPairs());
    double weight = unitNanos / (trusted ? Math.max(nanos, predict(work)) : nanos);
    terms[0] = weight;
    terms[1] = weight * work.tokens() * TOKENS_SCALE;
    terms[2] = weight * work.prefillPairs() * PAIRS_SCALE;
    terms[3] = weight * work.context() * CONTEXT_SCALE;
    fit(weight * nanos / unitNanos);
    keepPositive();
    if (!isFinite()) {
      startOver();
    }
  }

  private boolean isFinite() {
    double sum = 0;
    for (int i = 0; i < TERMS; i++) {
      sum += coefficients[i];
      for (int j = 0; j < TERMS; j++) {
        sum += covariance[i][j];
      }
    }
    return Double.isFinite(sum);
  }

  /** Times that differ by more than numbers hold have spoilt the fit: nothing is known again. */
  private void startOver() {
    Arrays.fill(fitted, 0);
    Arrays.fill(coefficients, 0);
    for (int i = 0; i < TERMS; i++) {
      Arrays.fill(covariance[i], 0);
      covariance[i][i] = INITIAL_VARIANCE;
    }
    learnt = 0;
    farOff = 0;
  }

  /** Scales the model once a run of steps agrees that it is far off, by what all of them say. */
  private void followChange(double ratio) {
    boolean slower = ratio > FAR_OFF;
    boolean faster = ratio < 1 / FAR_OFF;
    boolean sameSide = farOff > 0 && (slower ? nearest > 1 : nearest < 1);
    if (!slower && !faster) {
      farOff = 0;
    } else if (!sameSide) {
      farOff = 1;
      nearest = ratio;
    } else {
      farOff++;
      nearest = slower ? Math.min(nearest, ratio) : Math.max(nearest, ratio);
    }
    if (farOff == BELIEVED) {
      farOff = 0;
      for (int i = 0; i < TERMS; i++) {
        fitted[i] *= nearest;
      }
      keepPositive();
    }
  }

  private void fit(double measured) {
    double error = measured;
    double denominator = FORGETTING;
    for (int i = 0; i < TERMS; i++) {
      error -= fitted[i] * terms[i];
      projected[i] = 0;
      for (int j = 0; j < TERMS; j++) {
        projected[i] += covariance[i][j] * terms[j];
      }
      denominator += terms[i] * projected[i];
    }
    for (int i = 0; i < TERMS; i++) {
      gain[i] = projected[i] / denominator;
      fitted[i] += gain[i] * error;
    }
    for (int i = 0; i < TERMS; i++) {
      growth[i] = covariance[i][i] < MAX_VARIANCE ? Math.sqrt(1 / FORGETTING) : 1;
    }
    for (int i = 0; i < TERMS; i++) {
      for (int j = 0; j <= i; j++) { // one half, mirrored: rounding must not make it lopsided
        covariance[i][j] = (covariance[i][j] - gain[i] * projected[j]) * growth[i] * growth[j];
        covariance[j][i] = covariance[i][j];
      }
    }
  }

  /**
   * The coefficients to predict with: those of the fit or, where some of these are negative, of the
   * best fit in which they are 0, which moves the others by their covariance. The fit itself goes
   * on as it is: it may need what it has seen to come back.
   */
  private void keepPositive() {
    System.arraycopy(fitted, 0, coefficients, 0, TERMS);
    for (int i = 0; i < TERMS; i++) {
      System.arraycopy(covariance[i], 0, conditional[i], 0, TERMS);
    }
    for (int worst = mostNegative(); worst >= 0; worst = mostNegative()) {
      double variance = conditional[worst][worst];
      double excess = coefficients[worst] / variance;
      System.arraycopy(conditional[worst], 0, projected, 0, TERMS);
      for (int i = 0; i < TERMS; i++) {
        coefficients[i] -= excess * projected[i];
        for (int j = 0; j < TERMS; j++) {
          conditional[i][j] -= projected[i] * projected[j] / variance;
        }
      }
      coefficients[worst] = 0;
      conditional[worst][worst] = 0; // stays 0
    }
  }

  private int mostNegative() {
    int worst = -1;
    for (int i = 0; i < TERMS; i++) {
      if (coefficients[i] < 0) {
        if (conditional[i][i] <= 0) {
          coefficients[i] = 0; // was made 0 before
        } else if (worst < 0 || coefficients[i] < coefficients[worst]) {
          worst = i;
        }
      }
    }
    return worst;
  }
}
