package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What a workload's figures mean, on outcomes made by hand. */
class LoadReportTest {
  private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);

  private static Outcome outcome(@Nullable Failure failure, int due, int sent, int... arrivals) {
    long[] nanos = Arrays.stream(arrivals).mapToLong(ms -> ms * MILLI).toArray();
    return new Outcome(0, 0, due * MILLI, sent * MILLI, nanos, 100, 40, arrivals.length, failure);
  }

  private static final Outcome QUICK = outcome(null, 0, 0, 100, 120, 140);
  private static final Outcome LATE = outcome(null, 100, 150, 900, 950, 1000);
  private static final Outcome REFUSED = outcome(Failure.ofStatus(429, "full"), 200, 200);

  private static final LoadResult RESULT = new LoadResult(0, List.of(QUICK, LATE, REFUSED));

  @Test
  void waitingIsCountedFromWhenARequestWasDue() {
    assertThat(LATE.firstToken()).isCloseTo(0.8, within(1e-9));
    assertThat(LATE.whole()).isCloseTo(0.9, within(1e-9));
    assertThat(LATE.lag()).isCloseTo(0.05, within(1e-9));
    assertThat(LATE.perToken()).isCloseTo(0.05, within(1e-9));
  }

  @Test
  void ratesAreOverTheTimeToTheLastPiece() {
    assertThat(RESULT.seconds()).isCloseTo(1, within(1e-9));
    assertThat(RESULT.perSecond(Outcome::outputTokens)).isCloseTo(6, within(1e-9));
    assertThat(RESULT.cachedShare()).isCloseTo(0.4, within(1e-9));
    assertThat(RESULT.gaps().ascending()).hasSize(4);
  }

  @Test
  void goodRequestsMeetEveryLimit() {
    assertThat(RESULT.goodput(Objective.ANY)).isCloseTo(2, within(1e-9));
    assertThat(RESULT.goodput(Objective.parse("ttft=500ms,tpot=50ms"))).isCloseTo(1, within(1e-9));
    assertThat(RESULT.goodput(Objective.parse("e2e=0.01s"))).isZero();
    assertThatThrownBy(() -> Objective.parse("ttft=5"))
        .hasMessageContaining("'ttft=5' is no objective");
  }

  @Test
  void failuresAreCountedByKind() {
    assertThat(RESULT.failures()).isEqualTo(Map.of(Failure.Kind.OVERLOADED, 1));
    assertThat(Failure.ofStatus(504, "").kind()).isEqualTo(Failure.Kind.SERVER_TIMEOUT);
    assertThat(Failure.ofStatus(404, "").kind()).isEqualTo(Failure.Kind.REFUSED);
    assertThat(Failure.ofStatus(500, "").kind()).isEqualTo(Failure.Kind.SERVER_ERROR);
  }

  @Test
  void theReportSaysAllOfThis() {
    LoadReport report = new LoadReport("x", Objective.ANY, RESULT);

    assertThat(report.text())
        .contains("2 of 3 requests answered in 1.0 s", "6.0 output tokens/s", "OVERLOADED=1")
        .contains("| first token (TTFT) | 450.0 | 100.0 | 800.0 | 800.0 | 800.0 |");
    assertThat(report.figures()).containsEntry("answered", 2).containsEntry("requests", 3);
  }

  @Test
  void whereNothingWasAnsweredThereIsStillAReport() {
    LoadResult nothing = new LoadResult(0, List.of(REFUSED));

    assertThat(new LoadReport("x", Objective.ANY, nothing).text()).contains("0 of 1 requests", "–");
    assertThat(LoadPicture.svg("x", nothing)).endsWith("</svg>\n").doesNotContain("NaN");
  }

  @Test
  void thePictureHasABarForEveryRequest() {
    String svg = LoadPicture.svg("x & y", RESULT);

    assertThat(svg).contains("x &amp; y").doesNotContain("NaN");
    // Two boxes each, and the background.
    assertThat(svg.split("<rect ", -1)).hasSize(1 + 1 + 2 * RESULT.outcomes().size());
  }
}
