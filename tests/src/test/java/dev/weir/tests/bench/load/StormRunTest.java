package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.InstanceOfAssertFactories.DOUBLE;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** What a storm's figures mean, on arrivals made by hand. */
class StormRunTest {
  /** Watched from second 0; sent at 10, answered at 20, ended at 30. */
  private static final long[] SPANS = {at(0), at(10), at(20), at(30)};

  private static long at(double second) {
    return (long) (second * TimeUnit.SECONDS.toNanos(1));
  }

  /** Pieces from one second on, so many seconds apart, up to and without another. */
  private static long[] every(double seconds, double from, double to) {
    long count = (long) Math.ceil((to - from) / seconds);
    return LongStream.range(0, count).map(i -> at(from + i * seconds)).toArray();
  }

  private static long[] joined(long[]... parts) {
    return Arrays.stream(parts).flatMapToLong(LongStream::of).toArray();
  }

  private static StormRun run(double tokensPerPiece, List<List<long[]>> streams) {
    return new StormRun(
        streams,
        SPANS[0],
        SPANS[1],
        SPANS[2],
        SPANS[3],
        tokensPerPiece,
        1000,
        List.of(),
        Balance.ofCounters(new EngineWork(100, 10, 0), new EngineWork(80, 10, 1000)));
  }

  /** Ten tokens a second before and after, five during the storm. */
  private static long[] halved() {
    return joined(every(0.1, 0, 10), every(0.2, 10, 20), every(0.1, 20, 30));
  }

  @Test
  void ratesAreTokensOverSeconds() {
    StormRun run = run(1, List.of(List.of(halved())));

    assertThat(run.before()).isCloseTo(10, within(1e-9));
    assertThat(run.during()).isCloseTo(5, within(1e-9));
    assertThat(run.after()).isCloseTo(10, within(1e-9));
    assertThat(run.kept()).isCloseTo(0.5, within(1e-9));
    assertThat(run.promptSeconds()).isEqualTo(10);
  }

  @Test
  void aPieceOfSeveralTokensCountsAsThese() {
    assertThat(run(2, List.of(List.of(halved()))).before()).isCloseTo(20, within(1e-9));
  }

  @Test
  void theMedianStreamSpeaksForAll() {
    StormRun run =
        run(1, List.of(List.of(every(0.1, 0, 30)), List.of(halved()), List.of(every(1, 0, 30))));

    assertThat(run.before()).isCloseTo(10, within(1e-9));
    assertThat(run.during()).isCloseTo(5, within(1e-9));
  }

  @Test
  void aGapThatSpansTheWholeStormCountsWhole() {
    StormRun run = run(1, List.of(List.of(joined(every(0.1, 0, 9.95), every(0.1, 25, 30)))));

    assertThat(run.during()).isZero();
    assertThat(run.gaps(run.sent(), run.answered()).max()).isCloseTo(15.1, within(1e-6));
    assertThat(run.worstGap()).isCloseTo(151, within(1e-3));
  }

  @Test
  void thePauseBetweenTwoRequestsOfAStreamIsNoGap() {
    StormRun run = run(1, List.of(List.of(every(0.1, 0, 12), every(0.1, 18, 30))));

    assertThat(run.gaps(run.sent(), run.answered()).max()).isCloseTo(0.1, within(1e-6));
  }

  @Test
  void theBalanceIsWhatPrefillAddedTimesWhatItsShareOfTheTimeMayBe() {
    StormRun run = run(1, List.of(List.of(halved())));

    // 80 steps would have taken 8 s without prefill: it added 2 s, and a fifth of the time is its.
    assertThat(run.balance())
        .isNotNull()
        .extracting(Balance::inflation, DOUBLE)
        .isCloseTo(1.25, within(1e-9));
    assertThat(run.ofBalance(1.25)).isCloseTo(1, within(1e-9));
    assertThat(run.ofBalance(1.5)).isCloseTo(10 / 6.0, within(1e-9));
  }

  @Test
  void theStepLogCountsOnlyWhatPrefillAdded() {
    List<EngineStep> log = new ArrayList<>();
    boolean more =
        EngineStep.parse(
            """
            {"object": "list", "has_more": true, "data": [
              {"number": 4, "ms": 100, "predicted_ms": 100, "decode_rows": 3, "prefill_tokens": 0},
              {"number": 5, "ms": 110, "predicted_ms": 100, "decode_rows": 3, "prefill_tokens": 0},
              {"number": 6, "ms": 150, "predicted_ms": 120, "decode_rows": 3, "prefill_tokens": 8},
              {"number": 7, "ms": 135, "predicted_ms": 108, "decode_rows": 3, "prefill_tokens": 0},
              {"number": 8, "ms": 200, "predicted_ms": 200, "decode_rows": 4, "prefill_tokens": 0},
              {"number": 9, "ms": 114, "predicted_ms": 114, "decode_rows": 3, "prefill_tokens": 0},
              {"number": 10, "ms": 116, "predicted_ms": 116, "decode_rows": 3, "prefill_tokens": 0}]}
            """,
            log);
    List<EngineStep> before = EngineStep.between(log, 4, 6);
    List<EngineStep> during = EngineStep.between(log, 6, 8);
    Balance balance = balance(before, during, List.of());

    assertThat(more).isTrue();
    assertThat(balance.aloneSeconds()).isCloseTo(0.21, within(1e-9));
    assertThat(balance.extraSeconds()).isCloseTo(0.045, within(1e-9));
    assertThat(balance.misprediction()).isCloseTo(0.2, within(1e-9));
    assertThat(balance.worstStep()).isCloseTo(150 / 105.0, within(1e-9));
    assertThat(EngineStep.between(log, 3, 6)).as("step 3 is missing").isEmpty();

    // 105 ms in the middle of steps 4 and 5, 115 in that of 9 and 10: 2 ms more with every step.
    Balance grown = balance(before, during, EngineStep.between(log, 8, 11));
    assertThat(grown.aloneSeconds()).isCloseTo(0.108 + 0.110, within(1e-9));
    assertThat(grown.extraSeconds()).isCloseTo(0.150 - 0.108, within(1e-9));
    assertThat(grown.worstStep()).isCloseTo(150 / 108.0, within(1e-9));
    assertThat(StreamsAlone.of(during.subList(0, 1), before)).as("with prefill").isNull();
  }

  private static Balance balance(
      List<EngineStep> before, List<EngineStep> during, List<EngineStep> after) {
    return Balance.ofSteps(Objects.requireNonNull(StreamsAlone.of(before, after)), during);
  }

  @Test
  void thePictureShowsWhenThePromptWasPrefilled() {
    String svg =
        StormPicture.svg(
            List.of(
                new StormSeries("a < b", "", List.of(run(1, List.of(List.of(halved()))))),
                new StormSeries("second", "", List.of(run(1, List.of(List.of(halved())))))));

    // 880 pixels from 60 on for 30 seconds.
    assertThat(svg)
        .contains("a &lt; b", "second", "50 % kept")
        .contains("<rect x='353.3' y='34.0' width='293.3'")
        .containsOnlyOnce("<svg")
        .endsWith("</svg>\n")
        .doesNotContain("NaN");
  }

  @Test
  void theTableShowsMediansOfAllRuns() {
    StormRun half = run(1, List.of(List.of(halved())));
    StormRun steady = run(1, List.of(List.of(every(0.1, 0, 30))));
    StormReport report =
        new StormReport(1.25, List.of(new StormSeries("x", "", List.of(half, steady, steady))));

    assertThat(report.table()).contains("| x | 1,000 | 10.0 tok/s | 10.0 tok/s |", "| 100.0 % |");
  }
}
