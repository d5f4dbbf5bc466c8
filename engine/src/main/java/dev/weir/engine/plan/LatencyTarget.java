package dev.weir.engine.plan;

/** How long a step may take on average while a prompt is prefilled beside decode rows. */
public sealed interface LatencyTarget {

  /** A step with prefill takes at most a quarter longer than one without. */
  LatencyTarget DEFAULT = new Factor(1.25);

  /** What prefill may add to a step, in nanoseconds, given what its decode rows alone take. */
  double allowance(double decodeNanos);

  /**
   * Relative to the step's decode rows alone.
   *
   * @param factor above 1
   */
  record Factor(double factor) implements LatencyTarget {
    public Factor {
      if (!(factor > 1)) {
        throw new IllegalArgumentException("a latency target's factor must be above 1: " + factor);
      }
    }

    @Override
    public double allowance(double decodeNanos) {
      return decodeNanos * (factor - 1);
    }
  }

  /**
   * Absolute. Where the decode rows alone take as long, prefill runs at its floor.
   *
   * @param nanos above 0
   */
  record Nanos(double nanos) implements LatencyTarget {
    public Nanos {
      if (!(nanos > 0)) {
        throw new IllegalArgumentException("a latency target must be positive: " + nanos);
      }
    }

    @Override
    public double allowance(double decodeNanos) {
      return Math.max(0, nanos - decodeNanos);
    }
  }
}
