package dev.weir.engine.text.jinja;

/**
 * What is left of one rendering's {@link RenderLimits}. Every evaluated node takes a step; every
 * operation whose cost grows with its data charges for it <em>before</em> it allocates.
 */
final class Budget {

  /** Characters that count as one step: copying them costs about as much as evaluating a node. */
  private static final int CHARS_PER_STEP = 8;

  /** What a table of names or pairs is charged beyond its contents, for the memory it takes. */
  static final int STEPS_PER_TABLE = 8;

  /** A pattern longer than this is charged for the worst case of a naive search. */
  private static final int SHORT_PATTERN = 64;

  /** Steps between two looks at the clock: some tens of microseconds. */
  private static final int STEPS_PER_CLOCK_LOOK = 2048;

  private final RenderLimits limits;
  private final long deadline;
  private long stepsLeft;
  private long nextClockLook;
  private int depth;

  Budget(RenderLimits limits) {
    this.limits = limits;
    this.deadline = System.nanoTime() + limits.time().toNanos();
    this.stepsLeft = limits.steps();
    this.nextClockLook = stepsLeft - STEPS_PER_CLOCK_LOOK;
  }

  /**
   * One level deeper, one step taken. A failed rendering is over, so nobody leaves by exception.
   */
  void enter() {
    if (++depth > limits.nesting()) {
      throw new TemplateLimitException(
          "nests deeper than " + limits.nesting() + " levels (endless recursion?)");
    }
    charge(1);
  }

  void leave() {
    depth--;
  }

  void charge(long steps) {
    stepsLeft -= steps;
    if (stepsLeft < nextClockLook) {
      lookAtLimits();
    }
  }

  private void lookAtLimits() {
    if (stepsLeft < 0) {
      throw new TemplateLimitException("takes more than " + limits.steps() + " steps");
    }
    if (System.nanoTime() - deadline > 0) {
      throw new TemplateLimitException("takes longer than " + limits.time().toMillis() + " ms");
    }
    nextClockLook = Math.max(0, stepsLeft - STEPS_PER_CLOCK_LOOK);
  }

  /** Permission to make a string of {@code chars} characters. */
  void chargeText(long chars) {
    chargeAppend(chars, chars);
  }

  /** Permission to append {@code chars} characters to a text that will then have {@code total}. */
  void chargeAppend(long total, long chars) {
    if (total > limits.outputChars()) {
      throw new TemplateLimitException(
          "makes a text longer than " + limits.outputChars() + " characters");
    }
    charge(chars / CHARS_PER_STEP);
  }

  /** Charges for a search of {@code pattern} characters in {@code text} characters. */
  void chargeSearch(long text, long pattern) {
    charge(text / CHARS_PER_STEP * (1 + pattern / SHORT_PATTERN));
  }
}
