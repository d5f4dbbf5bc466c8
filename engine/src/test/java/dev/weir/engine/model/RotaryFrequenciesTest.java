package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/**
 * The expected numbers were printed by Hugging Face transformers 5.18.0 on PyTorch 2.13.0 (CPU),
 * from its RoPE initialisation functions; they are float32, and within about 1e-6 of exact.
 */
class RotaryFrequenciesTest {

  private static final Percentage FLOAT32 = Percentage.withPercentage(1e-3);
  private static final int CONTEXT = 4096;

  @Test
  void default_is_a_geometric_series() {
    expect(
        new RopeConfig(1e4, 128, new RopeConfig.None()),
        CONTEXT,
        64,
        1.0,
        Map.of(
            0, 1.0, 1, 0.8659643530845642, 31, 0.011547819711267948, 63, 0.00011547819303814322));
  }

  @Test
  void linear_divides_all() {
    expect(
        new RopeConfig(1e4, 128, new RopeConfig.Linear(4)),
        CONTEXT,
        64,
        1.0,
        Map.of(
            0, 0.25, 1, 0.21649108827114105, 31, 0.002886954927816987, 63, 2.8869548259535804e-05));
  }

  /** The settings of Llama 3.2 1B. */
  @Test
  void llama3_keeps_short_wavelengths_and_divides_long_ones() {
    expect(
        new RopeConfig(5e5, 64, new RopeConfig.Llama3(32, 1, 4, 8192)),
        CONTEXT,
        32,
        1.0,
        Map.of(
            0, 1.0,
            13, 0.00483942124992609,
            14, 0.0032114461064338684,
            15, 0.0012905480107292533,
            16, 0.000429556705057621,
            17, 9.708286233944818e-05,
            18, 1.9461638657958247e-05,
            31, 9.418306490260875e-08));
  }

  /** The settings of Qwen 2.5 7B with YaRN on. */
  @Test
  void yarn_ramps_between_kept_and_divided_dimensions() {
    double scaling = RopeConfig.yarnAttentionScaling(4, none(), none());
    expect(
        new RopeConfig(1e6, 128, new RopeConfig.Yarn(4, 32768, 32, 1, scaling, true)),
        CONTEXT,
        64,
        1.138629436111989,
        Map.of(
            0, 1.0,
            20, 0.01333521492779255,
            23, 0.006978305988013744,
            24, 0.005375321488827467,
            30, 0.0010643609566614032,
            35, 0.0002462583943270147,
            39, 6.490394298452884e-05,
            40, 4.4456985051510856e-05,
            41, 3.582531644497067e-05,
            63, 3.102344408034696e-07));
  }

  @Test
  void yarn_with_both_mscales_and_an_untruncated_ramp() {
    double scaling =
        RopeConfig.yarnAttentionScaling(40, OptionalDouble.of(1), OptionalDouble.of(0.707));
    expect(
        new RopeConfig(1e4, 64, new RopeConfig.Yarn(40, 4096, 16, 2, scaling, false)),
        CONTEXT,
        32,
        1.0857263992561355,
        Map.of(
            8, 0.10000000149011612,
            9, 0.07498941570520401,
            12, 0.03162277862429619,
            14, 0.015096119605004787,
            16, 0.005790104623883963,
            18, 0.0017382187070325017,
            20, 0.00012395245721563697,
            31, 3.3338035336782923e-06));
  }

  /** Phi-3's shape (96 per head, 4096 stretched to 131072) with a plain series of divisors. */
  @Test
  void longrope_has_a_set_for_the_trained_context_and_one_for_longer_ones() {
    List<Double> shortFactors = IntStream.range(0, 48).mapToObj(i -> 1 + 0.05 * i).toList();
    List<Double> longFactors = IntStream.range(0, 48).mapToObj(i -> 1 + 1.25 * i).toList();
    double scaling = RopeConfig.longRopeAttentionScaling(131072.0 / 4096, 4096);
    RopeConfig rope =
        new RopeConfig(1e4, 96, new RopeConfig.LongRope(shortFactors, longFactors, 4096, scaling));

    expect(
        rope,
        4096,
        48,
        1.1902380714238083,
        Map.of(
            0, 1.0, 1, 0.7860992550849915, 20, 0.010772175155580044, 47, 3.6165001802146435e-05));
    expect(
        rope,
        4097,
        48,
        1.1902380714238083,
        Map.of(0, 1.0, 1, 0.3668462932109833, 20, 0.000828628777526319, 47, 2.027661139436532e-06));
  }

  private static OptionalDouble none() {
    return OptionalDouble.empty();
  }

  private static void expect(
      RopeConfig rope, int context, int pairs, double scaling, Map<Integer, Double> expected) {
    RotaryFrequencies frequencies = RotaryFrequencies.of(rope, context);
    assertThat(frequencies.pairs()).isEqualTo(pairs);
    assertThat(frequencies.attentionScaling()).isEqualTo(scaling, within(1e-12));
    expected.forEach(
        (pair, value) ->
            assertThat(frequencies.inverseFrequency(pair))
                .as("pair %d", pair)
                .isCloseTo(value, FLOAT32));
  }
}
