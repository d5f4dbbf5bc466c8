package dev.weir.engine.model;

import java.util.List;
import java.util.OptionalDouble;

/**
 * How positions are rotated into queries and keys.
 *
 * @param theta base of the wavelengths, above 1
 * @param rotaryDim rotated elements of a head, even; the rest pass unrotated
 * @param scaling how the trained context was stretched
 */
public record RopeConfig(double theta, int rotaryDim, Scaling scaling) {

  /** The ways of stretching a trained context that Weir knows. */
  public sealed interface Scaling {}

  /** None. */
  public record None() implements Scaling {}

  /**
   * All frequencies divided.
   *
   * @param factor by this, at least 1
   */
  public record Linear(double factor) implements Scaling {}

  /**
   * Llama 3.1: long wavelengths divided by {@code factor}, short ones kept, a ramp between.
   *
   * @param lowFrequencyFactor wavelengths over {@code originalPositions / lowFrequencyFactor} are
   *     long
   * @param highFrequencyFactor wavelengths under {@code originalPositions / highFrequencyFactor}
   *     are short
   * @param originalPositions context in pre-training
   */
  public record Llama3(
      double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalPositions)
      implements Scaling {}

  /**
   * YaRN (arXiv 2309.00071).
   *
   * @param factor how much longer the context became
   * @param originalPositions context in pre-training
   * @param betaFast rotations over the original context from which a dimension is kept
   * @param betaSlow rotations under which a dimension is divided by {@code factor}
   * @param attentionScaling what cosines and sines are multiplied by
   * @param truncate whether the ramp's ends are rounded to whole dimensions
   */
  public record Yarn(
      double factor,
      int originalPositions,
      double betaFast,
      double betaSlow,
      double attentionScaling,
      boolean truncate)
      implements Scaling {}

  /**
   * LongRoPE (arXiv 2402.13753): a divisor for each frequency.
   *
   * @param shortFactors divisors for contexts of up to {@code originalPositions}, [rotaryDim/2]
   * @param longFactors divisors beyond, [rotaryDim/2]
   * @param originalPositions context in pre-training
   * @param attentionScaling what cosines and sines are multiplied by
   */
  public record LongRope(
      List<Double> shortFactors,
      List<Double> longFactors,
      int originalPositions,
      double attentionScaling)
      implements Scaling {

    /** Copies the lists. */
    public LongRope {
      shortFactors = List.copyOf(shortFactors);
      longFactors = List.copyOf(longFactors);
    }
  }

  /**
   * YaRN's attention scaling where the file gives none: 0.1·mscale·ln(factor) + 1, or the ratio of
   * two such terms where the file gives both {@code mscale} and {@code mscale_all_dim}.
   */
  static double yarnAttentionScaling(
      double factor, OptionalDouble mscale, OptionalDouble mscaleAllDim) {
    if (mscale.orElse(0) != 0 && mscaleAllDim.orElse(0) != 0) {
      return yarnTerm(factor, mscale.getAsDouble()) / yarnTerm(factor, mscaleAllDim.getAsDouble());
    }
    return yarnTerm(factor, 1);
  }

  private static double yarnTerm(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  /** LongRoPE's attention scaling where the file gives none: sqrt(1 + ln(factor)/ln(original)). */
  static double longRopeAttentionScaling(double factor, int originalPositions) {
    return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalPositions));
  }
}
