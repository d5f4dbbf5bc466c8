package dev.weir.tests.bench.load;

import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How many tokens a prompt or an answer has. */
sealed interface Lengths {

  /** Draws a length, at least 1. */
  int draw(Random random);

  /** Always the same. */
  record Fixed(int tokens) implements Lengths {
    public Fixed {
      require(tokens >= 1, "a length must be at least 1, not " + tokens);
    }

    @Override
    public int draw(Random random) {
      return tokens;
    }
  }

  /** Any from {@code least} to {@code most}, both included, equally likely. */
  record Uniform(int least, int most) implements Lengths {
    public Uniform {
      require(least >= 1 && least <= most, "no range of lengths: " + least + "-" + most);
    }

    @Override
    public int draw(Random random) {
      return random.nextInt(least, most + 1);
    }
  }

  /**
   * Log-normal, as lengths of real prompts roughly are.
   *
   * @param median half are shorter
   * @param sigma standard deviation of the logarithm; 1 puts a tenth above 3.6 × the median
   */
  record LogNormal(int median, double sigma) implements Lengths {
    /** Longer draws are cut: no request is this long. */
    private static final double MOST = 1e7;

    public LogNormal {
      require(median >= 1 && sigma >= 0, "no log-normal lengths: " + median + ", " + sigma);
    }

    @Override
    public int draw(Random random) {
      double length = median * Math.exp(sigma * random.nextGaussian());
      return (int) Math.clamp(Math.rint(length), 1, MOST);
    }
  }

  /** {@code 512}, {@code 100-900}, or {@code lognormal:512,0.8} for median and sigma. */
  static Lengths parse(String form) {
    Matcher range = Forms.RANGE.matcher(form);
    if (range.matches()) {
      return new Uniform(Integer.parseInt(range.group(1)), Integer.parseInt(range.group(2)));
    }
    Matcher logNormal = Forms.LOG_NORMAL.matcher(form);
    if (logNormal.matches()) {
      int median = Integer.parseInt(logNormal.group(1));
      return new LogNormal(median, Double.parseDouble(logNormal.group(2)));
    }
    require(
        Forms.NUMBER.matcher(form).matches(),
        "'" + form + "' is no length: give 512, 100-900 or lognormal:MEDIAN,SIGMA");
    return new Fixed(Integer.parseInt(form));
  }

  /** The forms that {@link #parse} takes. */
  final class Forms {
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}");
    private static final Pattern RANGE = Pattern.compile("([0-9]{1,9})-([0-9]{1,9})");
    private static final Pattern LOG_NORMAL =
        Pattern.compile("lognormal:([0-9]{1,9}),([0-9]+(?:\\.[0-9]+)?)");

    private Forms() {}
  }

  private static void require(boolean holds, String message) {
    if (!holds) {
      throw new IllegalArgumentException(message);
    }
  }
}
