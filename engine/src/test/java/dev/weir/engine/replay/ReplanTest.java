package dev.weir.engine.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalHeader;
import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.run.LoopOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * What another schedule would have made of a journal, against what is reckoned by hand: steps that
 * take 10 ms and 0.1 ms for each token, two streams that decode, and a prompt of 2,048 tokens that
 * comes after a second.
 */
class ReplanTest {
  private static final long MILLI = 1_000_000;
  private static final double FIXED_MS = 10;
  private static final double TOKEN_MS = 0.1;
  private static final int STREAMS = 2;
  private static final int STREAM_TOKENS = 400;
  private static final int PROMPT = 2048;
  private static final int PROMPT_OUTPUTS = 4;
  private static final int STEP_TOKENS = 512;
  private static final long STORM_NANOS = 1000 * MILLI;

  private static double stepMillis(int tokens) {
    return FIXED_MS + TOKEN_MS * tokens;
  }

  private static JournalRecord.Header header() {
    LoopOptions options =
        LoopOptions.of(1, 8, 16, 8192, true, PlanLimits.of(STEP_TOKENS, Scheduling.DEFAULT));
    return new JournalRecord.Header(
        "test",
        Map.of("vocabulary", 1000, "end_ids", List.of()),
        "by hand",
        JournalHeader.options(options, 1, 1024, 8192));
  }

  private static Request request(int seed, int prompt, int outputs) {
    int[] tokens = new Random(seed).ints(prompt, 0, 1000).toArray();
    Sampling sampling = Sampling.builder().seed(seed).maxTokens(outputs).build();
    return Request.of(Prompt.of(tokens), sampling);
  }

  private static JournalRecord.End end(int request, long nanos, int outputs) {
    int[] output = new int[outputs];
    Arrays.fill(output, 7);
    return new JournalRecord.End(request, 0, nanos, FinishReason.LENGTH.name(), output);
  }

  /** Steps whose cost is as above, whatever their prompts and contexts. */
  private static List<JournalRecord.Step> measured() {
    Random random = new Random(5);
    return IntStream.range(0, 500)
        .mapToObj(
            i -> {
              int tokens = 1 + random.nextInt(STEP_TOKENS);
              long nanos = (long) (stepMillis(tokens) * MILLI);
              return new JournalRecord.Step(
                  0,
                  100L * MILLI * i,
                  nanos,
                  nanos,
                  tokens,
                  random.nextInt(1_000_000),
                  random.nextInt(10_000),
                  List.of());
            })
        .toList();
  }

  private static JournalFile journal(
      List<JournalRecord.Arrival> arrivals, List<JournalRecord.End> ends) {
    return new JournalFile(
        header(), arrivals, List.of(), measured(), ends, 0, true, Optional.empty());
  }

  private static JournalFile storm() {
    List<JournalRecord.Arrival> arrivals = new ArrayList<>();
    List<JournalRecord.End> ends = new ArrayList<>();
    for (int i = 0; i < STREAMS; i++) {
      arrivals.add(new JournalRecord.Arrival(i, 0, request(i, 1, STREAM_TOKENS)));
      ends.add(end(i, 10 * STORM_NANOS, STREAM_TOKENS));
    }
    arrivals.add(
        new JournalRecord.Arrival(STREAMS, STORM_NANOS, request(9, PROMPT, PROMPT_OUTPUTS)));
    ends.add(end(STREAMS, 10 * STORM_NANOS, PROMPT_OUTPUTS));
    return journal(arrivals, ends);
  }

  private static Replan.Schedule planned(Policy policy) {
    return new Replan(storm()).simulated(Scheduling.DEFAULT.withPolicy(policy), 1, 1);
  }

  private static double millis(long[] sorted, double share) {
    return (double) Latencies.quantile(sorted, share) / MILLI;
  }

  @Test
  void theCostOfStepsIsFoundAgain() {
    assertThat(new Replan(storm()).fit().cost().fixedNanos()).isCloseTo(10e6, within(1e3));
    assertThat(new Replan(storm()).fit().cost().tokenNanos()).isCloseTo(1e5, within(10.0));
  }

  @Test
  void whatPassesBetweenTheStepsOfAStreamIsAddedAndDisturbedStepsAreLeftOut() {
    List<JournalRecord.Step> steps = new ArrayList<>();
    long end = 0;
    for (int i = 0; i < 200; i++) {
      boolean disturbed = i % 10 == 3;
      long nanos = (disturbed ? 10 : 1) * (long) (stepMillis(1) * MILLI);
      end += nanos + 2 * MILLI + (i % 50 == 7 ? 500 * MILLI : 0); // with a pause at times
      steps.add(
          new JournalRecord.Step(
              0, end, nanos, nanos, 1, 0, 0, List.of(new JournalRecord.Entry(0, 0, 1, true))));
    }
    CostFit.Fit fit = CostFit.of(steps);
    assertThat(fit.hostNanos()).isEqualTo(2.0 * MILLI);
    assertThat(fit.disturbed()).isEqualTo(20);
    assertThat(fit.disturbedShare()).isCloseTo(200.0 / 380, within(1e-6));
    assertThat(fit.cost().fixedNanos() + fit.cost().tokenNanos())
        .isCloseTo(stepMillis(1) * MILLI, within(1e4));
  }

  @Test
  void prefillFirstStopsTheStreamsForTheWholePrompt() {
    Latencies seen = planned(new Policy.PrefillFirst()).latencies();
    double prefill = 4 * stepMillis(STEP_TOKENS);
    double step = stepMillis(STREAMS);
    assertThat(millis(seen.betweenTokens(), 0.5)).isCloseTo(step, within(0.01));
    assertThat(millis(seen.betweenTokens(), 1)).isCloseTo(prefill + step, within(0.2));
    assertThat(millis(seen.firstToken(), 1))
        .as("its own steps, after the one that ran when it came and the one that was planned")
        .isBetween(prefill - 0.1, prefill + 2 * step + 0.1);
  }

  @Test
  void aFixedChunkMakesEveryStepOfThePromptAsLong() {
    Latencies seen = planned(new Policy.FixedChunk(STEP_TOKENS)).latencies();
    assertThat(millis(seen.betweenTokens(), 1))
        .isCloseTo(stepMillis(STEP_TOKENS), within(TOKEN_MS * STREAMS));
    int steps = Math.ceilDiv(PROMPT, STEP_TOKENS - STREAMS);
    assertThat(millis(seen.firstToken(), 1))
        .isBetween(
            4 * stepMillis(STEP_TOKENS), steps * stepMillis(STEP_TOKENS) + stepMillis(STREAMS));
  }

  @Test
  void aTimeBudgetLetsThePromptAddAQuarterToTheSteps() {
    Latencies seen = planned(new Policy.TimeBudget()).latencies();
    double alone = stepMillis(STREAMS);
    int chunk = (int) ((1.25 * alone - alone) / TOKEN_MS);
    double expected = (double) PROMPT / chunk * 1.25 * alone;
    assertThat(millis(seen.betweenTokens(), 1)).isBetween(1.2 * alone, 1.3 * alone);
    assertThat(millis(seen.firstToken(), 1)).isCloseTo(expected, within(0.1 * expected));
  }

  @Test
  void whatIsNotEndedIsAsLongAsItWas() {
    JournalRecord.Entry drew = new JournalRecord.Entry(0, 0, 1, true);
    List<JournalRecord.Step> steps = new ArrayList<>(measured());
    for (int i = 0; i < 30; i++) {
      JournalRecord.Step step = steps.get(i);
      steps.set(
          i,
          new JournalRecord.Step(
              0,
              step.endNanos(),
              step.nanos(),
              step.predictedNanos(),
              step.tokens(),
              step.prefillPairs(),
              step.context(),
              List.of(drew)));
    }
    JournalFile killed =
        new JournalFile(
            header(),
            List.of(new JournalRecord.Arrival(0, 0, request(0, 1, STREAM_TOKENS))),
            List.of(),
            steps,
            List.of(),
            0,
            false,
            Optional.empty());
    assertThat(new Replan(killed).recorded().latencies().betweenTokens()).hasSize(29);
    assertThat(new Replan(killed).simulated(Scheduling.DEFAULT, 1, 1).latencies().betweenTokens())
        .hasSize(29);
  }

  @Test
  void aTurnFollowsTheEndOfTheOneBeforeAsLateAsItDid() {
    long think = 3000 * MILLI;
    Terms session = Terms.DEFAULT.withSession("s");
    JournalFile turns =
        journal(
            List.of(
                new JournalRecord.Arrival(0, 0, request(0, 1, 10).withTerms(session)),
                new JournalRecord.Arrival(
                    1, 5000 * MILLI + think, request(0, 1, 10).withTerms(session))),
            List.of(end(0, 5000 * MILLI, 10), end(1, 9000 * MILLI, 10)));
    double turn = 10 * stepMillis(1);
    assertThat(
            (double) new Replan(turns).simulated(Scheduling.DEFAULT, 1, 1).latencies().lastsNanos()
                / MILLI)
        .isCloseTo(turn + 3000 + turn, within(0.5));
  }

  @Test
  void aContextThatIsThereIsSharedAndTheRestIsComputed() {
    JournalFile twice =
        journal(
            List.of(
                new JournalRecord.Arrival(0, 0, request(9, PROMPT, 1)),
                new JournalRecord.Arrival(1, 5000 * MILLI, request(9, PROMPT, 1))),
            List.of(end(0, 1000 * MILLI, 1), end(1, 6000 * MILLI, 1)));
    int kept = PROMPT - 64; // the last block is computed again for its logits
    assertThat(new Replan(twice).simulated(Scheduling.DEFAULT, 1, 1).origins())
        .isEqualTo(new Origins(kept, 0, 0, PROMPT + PROMPT - kept));
  }

  @Test
  void aRequestThatFitsNoShardIsNamed() {
    assertThatThrownBy(() -> new Replan(storm()).simulated(Scheduling.DEFAULT, 1024, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("request 2 cannot run so")
        .hasMessageContaining("2048 tokens");
  }
}
