package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.run.SimulatedBurst.Conversation;
import dev.weir.engine.run.SimulatedBurst.Shape;
import dev.weir.engine.simulate.StepCost;
import dev.weir.kernels.KvShape;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The second turns of 64 sessions come at the same moment. That neither collapses decode nor
 * thrashes the pools: on a machine without noise, whose cost the planner's model describes exactly,
 * so that what is promised of predictions can be held against the clock.
 */
@Timeout(120)
class BurstTest {
  /** How much longer than its decode rows alone a step may take on average, and at worst. */
  private static final double TARGET = 1.25;

  private static final double WORST = Scheduling.DEFAULT.worstStep();

  /** What the model is wrong by: it is fitted to rounded nanoseconds. */
  private static final double MODEL_SLACK = 1e-3;

  /**
   * The planner leaves a step's last nanoseconds unused where they buy no smallest chunk. The rest
   * of a prompt and the first chunk of the next one mostly fill them.
   */
  private static final double UNUSED = 0.1;

  /** A turn may be preempted, but not most of them. */
  private static final int MOST_PREEMPTIONS = SimulatedBurst.TURNS / 2;

  /** Times what has to be computed because no device holds it when the burst comes. */
  private static final double MOST_COMPUTED = 2.5;

  private static final int SEEDS = 3;

  /** Each with the devices and shards that there are to be tried, and a seed. */
  record Case(long seed, int devices, int shards) {
    SimulatedBurst run(double room, int said, int added, int answered, Scheduling scheduling) {
      SimulatedBurst burst =
          new SimulatedBurst(
              seed, new Shape(devices, shards, room, said, added, answered, scheduling));
      burst.run();
      return burst;
    }
  }

  static Stream<Case> cases() {
    SplittableRandom random = new SplittableRandom(2026);
    List<int[]> machines =
        List.of(
            new int[] {1, 1},
            new int[] {1, 2},
            new int[] {1, 4},
            new int[] {1, 8},
            new int[] {2, 2},
            new int[] {2, 4},
            new int[] {2, 8});
    return machines.stream()
        .flatMap(
            machine ->
                random.longs(SEEDS).mapToObj(seed -> new Case(seed, machine[0], machine[1])));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void whereAllContextsFitNothingIsComputedTwiceAndDecodeKeepsItsPace(Case given) {
    SimulatedBurst burst = given.run(1.2, 5_000, 600, 256, Scheduling.DEFAULT);

    for (Conversation one : burst.conversations) {
      Account account = one.turn().ledger.account();
      assertThat(account.recomputedTokens()).isEqualTo(one.length() - one.known());
      assertThat(account.preemptions()).isZero();
    }
    assertAllServed(burst);
    assertDecodeKeepsItsPace(burst);
    assertFirstTokensInTime(burst);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void whereOnlyHalfOfTheContextsFitTheRestIsComputedOnce(Case given) {
    SimulatedBurst burst = given.run(0.5, 5_000, 600, 256, Scheduling.DEFAULT);

    assertThat(missing(burst)).as("tokens that no device held").isGreaterThan(added(burst));
    assertAllServed(burst);
    assertNoThrashing(burst);
    assertDecodeKeepsItsPace(burst);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void longAnswersDoNotThrowEachOtherOut(Case given) {
    SimulatedBurst burst = given.run(0.2, 800, 600, 1_500, Scheduling.DEFAULT);

    assertAllServed(burst);
    assertNoThrashing(burst);
    assertDecodeKeepsItsPace(burst);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void noMoreLongPromptsAreInProgressThanMayBe(Case given) {
    SimulatedBurst burst = given.run(1.2, 2_000, 4_000, 32, Scheduling.DEFAULT.withMaxPrefills(3));

    assertThat(burst.mostInProgress).isEqualTo(3);
    assertAllServed(burst);
    assertDecodeKeepsItsPace(burst);
    assertFirstTokensInTime(burst);
  }

  private static void assertAllServed(SimulatedBurst burst) {
    for (Conversation one : burst.conversations) {
      Sequence turn = one.turn();
      SimulatedOracle.check(turn);
      assertThat(Objects.requireNonNull(turn.log.ending()).reason()).isEqualTo(FinishReason.LENGTH);
      assertThat(turn.length()).isEqualTo(one.length() + one.outputs);
    }
    for (Sequence stream : burst.streams) {
      SimulatedOracle.check(stream);
    }
    assertThat(burst.loop.shards().held()).isZero();
    assertThat(burst.loop.shards().consistent()).isTrue();
    assertThat(burst.loop.stats().failed()).isZero();
  }

  /** What nobody holds must be computed; what is held when the burst comes mostly need not be. */
  private static void assertNoThrashing(SimulatedBurst burst) {
    long preemptions = 0;
    for (Conversation one : burst.conversations) {
      preemptions += one.turn().ledger.account().preemptions();
    }
    assertThat(preemptions).as("preemptions").isLessThanOrEqualTo(MOST_PREEMPTIONS);
    assertThat(burst.prefilled)
        .as("tokens computed, where %d were missing", missing(burst))
        .isLessThanOrEqualTo((long) (MOST_COMPUTED * missing(burst)));
  }

  private static long missing(SimulatedBurst burst) {
    return burst.conversations.stream().mapToLong(one -> one.length() - one.resident).sum();
  }

  private static long added(SimulatedBurst burst) {
    return burst.conversations.stream().mapToLong(one -> one.length() - one.known()).sum();
  }

  /**
   * Every stream draws a token in every step of its device, and a step takes 1.25 times as long on
   * average as its decode rows alone: the planner saves and spends so that the sum holds. More than
   * the worst step's factor is taken only by steps that are counted.
   */
  private static void assertDecodeKeepsItsPace(SimulatedBurst burst) {
    for (int device = 0; device < burst.shape.devices(); device++) {
      int number = device;
      List<StepRecord> all = burst.steps.stream().filter(step -> step.device() == number).toList();
      for (int i = 0; i < SimulatedBurst.STREAMS; i++) {
        Sequence stream = burst.streams.get(i);
        assertThat(stream.ledger.account().preemptions()).isZero();
        if (burst.device(stream) == device) {
          assertThat(burst.streamed[i]).as("tokens of a stream").isEqualTo(all.size());
        }
      }
      List<StepRecord> beside = all.stream().filter(step -> step.decodeRows() > 0).toList();
      double took = beside.stream().mapToDouble(StepRecord::nanos).sum();
      double predicted = beside.stream().mapToDouble(StepRecord::predictedNanos).sum();
      double alone = beside.stream().mapToDouble(StepRecord::decodeNanos).sum();
      assertThat(took).as("predictions").isLessThanOrEqualTo(predicted * (1 + MODEL_SLACK));
      assertThat(took).as("mean").isLessThanOrEqualTo(TARGET * alone * (1 + MODEL_SLACK));
    }
    var stats = burst.loop.stats();
    assertThat(
            burst.steps.stream()
                .filter(step -> step.decodeRows() > 0)
                .filter(step -> step.nanos() > WORST * step.decodeNanos() * (1 + MODEL_SLACK))
                .count())
        .as("steps beyond the worst that one may take")
        .isLessThanOrEqualTo(stats.missedByFloor() + stats.missedByWorstStep());
  }

  /**
   * With E what the prompts of a device cost in all, and r the target, the last of them is done
   * after E·r/(r − 1): each step of decode time d pays (r − 1)·d of E and takes r·d. Copies of
   * contexts come before that.
   */
  private static void assertFirstTokensInTime(SimulatedBurst burst) {
    double[] extra = new double[burst.shape.devices()];
    double[] copies = new double[burst.shape.devices()];
    for (Conversation one : burst.conversations) {
      extra[burst.device(one.turn())] += extraNanos(one.known(), one.length() - one.known());
      copies[burst.device(one.turn())] +=
          (double) one.turn().ledger.account().copiedTokens()
              / KvShape.BLOCK_TOKENS
              * SimulatedBurst.BLOCK_NANOS;
    }
    double longest = burst.steps.stream().mapToDouble(StepRecord::nanos).max().orElseThrow();
    for (Conversation one : burst.conversations) {
      int device = burst.device(one.turn());
      double bound = extra[device] * TARGET / (TARGET - 1) * (1 + UNUSED) + copies[device];
      // Two steps were under way when the burst came, and one more draws the last token.
      assertThat((double) (one.firstTokenNanos - burst.burstNanos))
          .as("the first token of %s", one.id)
          .isLessThanOrEqualTo(bound + 3 * longest);
    }
  }

  /** A prompt's own work, and what is before each of its chunks read again. */
  private static double extraNanos(int prefix, int length) {
    StepCost cost = StepCost.GPU;
    double own = cost.tokenNanos() * length + cost.pairNanos() * length * (prefix + length / 2.0);
    double again = cost.contextNanos() * (prefix + length);
    double chunks = 1 + own / ((TARGET - 1) * cost.fixedNanos() - again);
    return own + chunks * again;
  }
}
