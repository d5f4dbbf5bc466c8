package dev.weir.trainer;

/**
 * A linear warm-up to the peak, then half a cosine down to the floor at the last step (Loshchilov
 * and Hutter 2017).
 */
record LearningRate(double peak, double floor, int warmUpSteps, int steps) {
  LearningRate {
    if (!(0 <= floor && floor <= peak)) {
      throw new IllegalArgumentException("floor " + floor + " is not within 0 and " + peak);
    }
    if (warmUpSteps < 1 || warmUpSteps >= steps) {
      throw new IllegalArgumentException(
          "warm-up of " + warmUpSteps + " steps does not fit into " + steps);
    }
  }

  /** Returns the rate of a step, counted from 0. */
  double at(int step) {
    if (step < warmUpSteps) {
      return peak * (step + 1) / warmUpSteps;
    }
    double done = (double) (step - warmUpSteps) / (steps - warmUpSteps);
    return floor + (peak - floor) * (1 + Math.cos(Math.PI * Math.min(1, done))) / 2;
  }
}
