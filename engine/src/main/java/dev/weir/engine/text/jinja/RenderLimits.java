package dev.weir.engine.text.jinja;

import java.time.Duration;

/**
 * What one rendering may use up. A template comes with a model that a stranger published, so each
 * of its resources has an end; crossing one is a {@link TemplateLimitException}.
 *
 * @param steps evaluated nodes, plus one per list element and per eight characters that an
 *     operation touches; bounds the memory of all intermediate values too
 * @param outputChars UTF-16 units of the rendered text and of every intermediate string
 * @param nesting depth of the evaluation: blocks, expressions, macro calls and nested values
 *     together
 * @param time wall time of the rendering
 */
public record RenderLimits(long steps, int outputChars, int nesting, Duration time) {

  /** A long agentic conversation takes about 10⁵ steps; this is a hundred times as much. */
  public static final long DEFAULT_STEPS = 10_000_000;

  /** Four million tokens of English text. */
  public static final int DEFAULT_OUTPUT_CHARS = 16 << 20;

  /** Real templates need less than 50; 512 KiB of stack carry this many. */
  public static final int DEFAULT_NESTING = 300;

  /** A rendering takes well under a millisecond; this is for a machine in trouble. */
  public static final Duration DEFAULT_TIME = Duration.ofSeconds(5);

  /** The limits for a server. */
  public static final RenderLimits DEFAULT =
      new RenderLimits(DEFAULT_STEPS, DEFAULT_OUTPUT_CHARS, DEFAULT_NESTING, DEFAULT_TIME);

  public RenderLimits {
    if (steps <= 0 || outputChars <= 0 || nesting <= 0 || !time.isPositive()) {
      throw new IllegalArgumentException("every limit of a rendering must be positive");
    }
  }
}
