package dev.weir.engine.request;

/**
 * How urgent a request is: {@link #ORDINARY} unless told otherwise, more is sooner. A priority
 * shifts a request's place by a bounded number of tokens that others are served before or after it;
 * it never decides alone, so no priority can starve another.
 */
public final class Priority {
  public static final int LOWEST = -8;
  public static final int ORDINARY = 0;
  public static final int HIGHEST = 8;

  private Priority() {}

  /** Whether it is one: {@link Terms} refuses others. */
  public static boolean isValid(int priority) {
    return priority >= LOWEST && priority <= HIGHEST;
  }
}
