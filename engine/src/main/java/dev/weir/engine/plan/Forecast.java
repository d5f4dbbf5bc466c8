package dev.weir.engine.plan;

import dev.weir.engine.plan.Policy.FixedChunk;
import dev.weir.engine.plan.Policy.PrefillFirst;
import dev.weir.engine.plan.Policy.TimeBudget;

/**
 * How long prompts take, before they run. With E what their chunks cost in all and r how much
 * longer a step may take with prefill than without, each step of decode time d pays (r − 1)·d of E;
 * so they take E/((r − 1)·d) steps of r·d each: E·r/(r − 1). Bounds of the step's tokens and
 * prefill's floor are taken in.
 *
 * <p>What a {@link StepPlanner} with the same limits and cost model would do if nothing else came
 * or ended; in nanoseconds. Pure.
 */
public final class Forecast {
  /** A prompt's chunks have other lengths on its way: it is looked at in so many parts. */
  private static final int PARTS = 16;

  private final PlanLimits limits;
  private final CostModel cost;
  private final StepWork nothing = new StepWork();

  public Forecast(PlanLimits limits, CostModel cost) {
    this.limits = limits;
    this.cost = cost;
  }

  /**
   * What a prompt adds to the steps it is part of: E. Sums over prompts. Each of its chunks reads
   * again what is before it, so that E is the greater the smaller they are.
   *
   * @param decodeNanos as for {@link #promptNanos}
   * @param decodeRows how many they are
   * @param prefix tokens that are computed
   * @param length tokens that are to be
   */
  public double extraNanos(double decodeNanos, int decodeRows, int prefix, int length) {
    double extra = 0;
    for (int part = 0; part < PARTS; part++) {
      int first = prefix + (int) ((long) length * part / PARTS);
      int count = prefix + (int) ((long) length * (part + 1) / PARTS) - first;
      int middle = first + count / 2;
      double chunks = (double) count / chunk(decodeNanos, decodeRows, middle);
      extra += cost.chunkCost(first, count) - cost.rereadCost(first);
      extra += chunks * cost.rereadCost(middle);
    }
    return extra;
  }

  /** How long chunks at a depth are, where nothing else is in the way. */
  private int chunk(double decodeNanos, int decodeRows, int prefix) {
    int most = Math.max(1, limits.stepTokens() - decodeRows);
    return switch (limits.scheduling().policy()) {
      case PrefillFirst first -> limits.stepTokens();
      case FixedChunk(int tokens) -> Math.min(tokens, most);
      case TimeBudget budget ->
          decodeNanos <= 0
              ? most
              : Math.max(
                  cost.worthwhileChunk(prefix, limits.floorChunk(), worst(decodeNanos), most),
                  cost.longestChunk(prefix, allowance(decodeNanos), most));
    };
  }

  private double allowance(double decodeNanos) {
    return Math.min(limits.scheduling().latencyTarget().allowance(decodeNanos), worst(decodeNanos));
  }

  private double worst(double decodeNanos) {
    return limits.scheduling().worstAllowance(decodeNanos);
  }

  /**
   * One prompt beside decode rows.
   *
   * @param decodeNanos what a step of these rows alone takes, {@link StepPlanner#decodeNanos}; 0:
   *     none
   * @param decodeRows how many they are
   */
  public double promptNanos(double decodeNanos, int decodeRows, int prefix, int length) {
    double extra = extraNanos(decodeNanos, decodeRows, prefix, length);
    return promptsNanos(decodeNanos, decodeRows, extra, length);
  }

  /**
   * Several prompts beside decode rows, until the last of them is done: for those that wait.
   *
   * @param extraNanos the sum of their {@link #extraNanos}
   * @param tokens the sum of their lengths
   */
  public double promptsNanos(double decodeNanos, int decodeRows, double extraNanos, long tokens) {
    double most = Math.max(1, limits.stepTokens() - decodeRows);
    return switch (limits.scheduling().policy()) {
      case PrefillFirst first -> alone(extraNanos, tokens);
      case FixedChunk(int chunk) ->
          Math.ceil(tokens / Math.min(chunk, most)) * fixed(decodeNanos) + extraNanos;
      case TimeBudget budget -> {
        if (decodeNanos <= 0) {
          yield alone(extraNanos, tokens);
        }
        double floorSteps = Math.ceil((double) tokens / limits.floorChunk()) * limits.floorSteps();
        double steps = Math.min(extraNanos / allowance(decodeNanos), floorSteps);
        yield Math.max(steps, Math.ceil(tokens / most)) * decodeNanos + extraNanos;
      }
    };
  }

  private double alone(double extraNanos, long tokens) {
    return Math.ceil((double) tokens / limits.stepTokens()) * cost.predict(nothing) + extraNanos;
  }

  private double fixed(double decodeNanos) {
    return decodeNanos > 0 ? decodeNanos : cost.predict(nothing);
  }
}
