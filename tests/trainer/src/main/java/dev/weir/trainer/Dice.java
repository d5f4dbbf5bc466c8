package dev.weir.trainer;

import java.util.List;
import java.util.SplittableRandom;

/** A seeded source of choices: the same seed gives the same text for ever. */
final class Dice {
  private final SplittableRandom random;

  Dice(long seed) {
    random = new SplittableRandom(seed);
  }

  /** Returns one of the items, each with the same chance. */
  <T> T pick(List<T> items) {
    return items.get(random.nextInt(items.size()));
  }

  /** Returns a number in {@code [low, high]}. */
  int between(int low, int high) {
    return random.nextInt(low, high + 1);
  }

  /** Returns true with the given probability. */
  boolean chance(double probability) {
    return random.nextDouble() < probability;
  }

  /** Returns a draw from the normal distribution with mean 0 and deviation 1. */
  double gaussian() {
    return random.nextGaussian();
  }
}
