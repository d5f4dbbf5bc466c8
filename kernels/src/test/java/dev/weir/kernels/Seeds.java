package dev.weir.kernels;

import java.util.Random;

/**
 * The tests' random generators: the same in every run, unless the property {@value #PROPERTY} names
 * another base. Whoever sets it prints it, so that a failure can be repeated.
 */
final class Seeds {
  static final String PROPERTY = "weir.test.seed";

  /** 2^64 divided by the golden ratio: tells the bases apart in all bits. */
  private static final long SPREAD = 0x9E3779B97F4A7C15L;

  private static final long BASE = Long.getLong(PROPERTY, 0) * SPREAD;

  private Seeds() {}

  static Random random(long seed) {
    return new Random(BASE + seed);
  }
}
