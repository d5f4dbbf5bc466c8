package dev.weir.engine.model;

/**
 * The angles by which positions rotate heads: element pair i at position p is rotated by {@code p ·
 * inverseFrequency(i)}, and its cosine and sine are multiplied by {@code attentionScaling()}.
 * Computed in double; the definitions are those of the papers, and agree with Hugging Face
 * transformers 5.18 up to its float32 rounding.
 */
public final class RotaryFrequencies {

  /** Keeps YaRN's ramp finite where its two ends fall together. */
  private static final double SMALLEST_RAMP = 0.001;

  private final double[] inverse;
  private final double attentionScaling;

  private RotaryFrequencies(double[] inverse, double attentionScaling) {
    this.inverse = inverse;
    this.attentionScaling = attentionScaling;
  }

  /**
   * The frequencies for a context.
   *
   * @param contextLength the longest context the engine will be run with. Only LongRoPE depends on
   *     it: it has one set for contexts up to the trained one and one for longer ones. The choice
   *     is made once and not per request, so that a token's logits never depend on how long its
   *     context later becomes.
   */
  public static RotaryFrequencies of(RopeConfig rope, int contextLength) {
    double[] inverse = unscaled(rope);
    double attentionScaling = 1;
    switch (rope.scaling()) {
      case RopeConfig.None() -> {}
      case RopeConfig.Linear(double factor) -> {
        for (int i = 0; i < inverse.length; i++) {
          inverse[i] /= factor;
        }
      }
      case RopeConfig.Llama3 llama -> {
        for (int i = 0; i < inverse.length; i++) {
          inverse[i] = llama3(inverse[i], llama);
        }
      }
      case RopeConfig.Yarn yarn -> {
        yarn(inverse, rope, yarn);
        attentionScaling = yarn.attentionScaling();
      }
      case RopeConfig.LongRope longRope -> {
        var factors =
            contextLength > longRope.originalPositions()
                ? longRope.longFactors()
                : longRope.shortFactors();
        for (int i = 0; i < inverse.length; i++) {
          inverse[i] /= factors.get(i);
        }
        attentionScaling = longRope.attentionScaling();
      }
    }
    return new RotaryFrequencies(inverse, attentionScaling);
  }

  private static double[] unscaled(RopeConfig rope) {
    double[] inverse = new double[rope.rotaryDim() / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = Math.pow(rope.theta(), -2.0 * i / rope.rotaryDim());
    }
    return inverse;
  }

  private static double llama3(double inverse, RopeConfig.Llama3 llama) {
    double rotations = llama.originalPositions() * inverse / (2 * Math.PI);
    if (rotations > llama.highFrequencyFactor()) {
      return inverse;
    }
    if (rotations < llama.lowFrequencyFactor()) {
      return inverse / llama.factor();
    }
    double kept =
        (rotations - llama.lowFrequencyFactor())
            / (llama.highFrequencyFactor() - llama.lowFrequencyFactor());
    return (1 - kept) * inverse / llama.factor() + kept * inverse;
  }

  private static void yarn(double[] inverse, RopeConfig rope, RopeConfig.Yarn yarn) {
    double low = dimensionOfRotations(rope, yarn, yarn.betaFast());
    double high = dimensionOfRotations(rope, yarn, yarn.betaSlow());
    if (yarn.truncate()) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, rope.rotaryDim() - 1);
    double length = high == low ? SMALLEST_RAMP : high - low;
    for (int i = 0; i < inverse.length; i++) {
      double divided = Math.clamp((i - low) / length, 0.0, 1.0);
      inverse[i] = divided * inverse[i] / yarn.factor() + (1 - divided) * inverse[i];
    }
  }

  /** The pair index, as a real number, whose wavelength fits {@code rotations} times. */
  private static double dimensionOfRotations(
      RopeConfig rope, RopeConfig.Yarn yarn, double rotations) {
    double wavelength = yarn.originalPositions() / rotations;
    return rope.rotaryDim() * Math.log(wavelength / (2 * Math.PI)) / (2 * Math.log(rope.theta()));
  }

  /** Rotated element pairs of a head: rotaryDim / 2. */
  public int pairs() {
    return inverse.length;
  }

  /** Radians per position of pair {@code i}. */
  public double inverseFrequency(int i) {
    return inverse[i];
  }

  /** What every cosine and sine is multiplied by. */
  public double attentionScaling() {
    return attentionScaling;
  }
}
