package dev.weir.tests.gpucheck;

import java.time.Duration;

/** The time that is left for something; nothing is begun once it is spent. */
final class Budget {
  private final long end;

  private Budget(long end) {
    this.end = end;
  }

  static Budget of(Duration limit) {
    return new Budget(System.nanoTime() + limit.toNanos());
  }

  /** A part of what is left. */
  Budget share(double part) {
    return new Budget(System.nanoTime() + (long) (part * Math.max(0, end - System.nanoTime())));
  }

  /** The end as text, which {@link #until} reads in the same process. */
  String text() {
    return Long.toString(end);
  }

  /** The budget whose end {@link #text} wrote. */
  static Budget until(String text) {
    return new Budget(Long.parseLong(text));
  }

  boolean spent() {
    return end - System.nanoTime() <= 0;
  }

  double seconds() {
    return Math.max(0, end - System.nanoTime()) / 1e9;
  }
}
