package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TimeLimitException;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Schedules drawn from a seed, run step by step under a clock drawn from the same seed: random
 * devices, free or in lockstep, shards, arrivals, cancellations, choices, shared prompts, tenants,
 * priorities, pins, time limits, slots, step tokens, pools that are too small, and host memory for
 * what they give away. Whatever the schedule, each request gets the bits of a lone run as far as it
 * gets, and every block comes back.
 */
@Timeout(60)
class RandomScheduleTest {
  private static final int SEEDS = 40;
  private static final int REQUESTS = 16;
  private static final int MAX_LENGTH = 5 * KvShape.BLOCK_TOKENS;
  private static final int BASES = 4;
  private static final int LAST_ARRIVAL = 60;
  private static final int MAX_STEPS = 20_000;

  /** A block is computed in as much time as some looks at the clock take. */
  private static final long NANOS_PER_TOKEN = 100_000;

  @TempDir static Path folder;
  private static HandDriven model;
  private static final int DEVICES = 3;
  private static List<LateDevice> late;
  private static HandDriven lateModel;
  private static StepLoop lone;

  /** What all devices have computed in so far. */
  private static long computedNanos;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    model = new HandDriven(folder, devices().map(RandomScheduleTest::timed).toArray(Device[]::new));
    late = devices().map(LateDevice::new).toList();
    lateModel =
        new HandDriven(folder, late.stream().map(RandomScheduleTest::timed).toArray(Device[]::new));
    lone = model.loop(1, MAX_LENGTH / KvShape.BLOCK_TOKENS, MAX_LENGTH, false, 256);
  }

  @AfterAll
  static void close() {
    model.close();
    lateModel.close();
  }

  private static Stream<Device> devices() {
    return Stream.generate(HandDriven::fastest).limit(DEVICES);
  }

  /** Computing takes time, so that copies pay. */
  private static Device timed(Device device) {
    FailingDevice timed = new FailingDevice(device);
    timed.whenComputing(tokens -> computedNanos += tokens * NANOS_PER_TOKEN);
    return timed;
  }

  static List<Long> seeds() {
    return new Random(2026).longs(SEEDS).boxed().toList();
  }

  /** One request of a schedule, with its lone run's result and what happens to it. */
  private static final class Guest {
    final Request request;
    final int[] prompt;
    final int arrival;
    final int cancellation;
    final Completion expected;
    private @Nullable Generation generation;
    boolean cancelled;
    boolean refused;

    /**
     * @param base what prompts begin with
     * @param shards how many there are to be pinned to
     */
    Guest(Random random, int[] base, int shards) throws InterruptedException {
      prompt = Arrays.copyOf(base, 1 + random.nextInt(base.length));
      if (random.nextBoolean()) {
        prompt[random.nextInt(prompt.length)] = random.nextInt(TinyModel.VOCABULARY);
      }
      Sampling.Builder sampling =
          Sampling.builder()
              .seed(random.nextLong())
              .temperature(random.nextInt(3) * 0.5f)
              .topK(random.nextInt(3) * 20)
              .maxTokens(1 + random.nextInt(120))
              .ignoreEos(random.nextBoolean())
              .logprobs(random.nextInt(4) - 1);
      if (random.nextInt(3) == 0) {
        sampling.repetitionPenalty(1.2f).presencePenalty(0.5f).frequencyPenalty(0.3f);
      }
      if (random.nextInt(4) == 0) {
        sampling.logitBias(Map.of(TinyModel.END, 4f)).minTokens(1);
      }
      int choices = random.nextInt(3) == 0 ? 1 + random.nextInt(4) : 1;
      Request free = new Request(Prompt.of(prompt), sampling.build(), choices, true);
      request = free.withTerms(anyTerms(random, shards));
      arrival = random.nextInt(LAST_ARRIVAL);
      cancellation = random.nextInt(4) == 0 ? arrival + random.nextInt(80) : Integer.MAX_VALUE;
      expected = HandDriven.alone(lone, free, prompt);
    }

    private static Terms anyTerms(Random random, int shards) {
      Terms terms = Terms.DEFAULT.withPriority(random.nextInt(5) - 2);
      if (random.nextInt(3) == 0) {
        terms = terms.withTenant("tenant " + random.nextInt(3));
      }
      if (random.nextInt(3) == 0) {
        terms = terms.withShard(random.nextInt(shards));
      }
      if (random.nextInt(8) == 0) {
        terms =
            terms.withLimits(
                new TimeLimits(anyLimit(random, 50), anyLimit(random, 100), anyLimit(random, 500)));
      }
      return terms;
    }

    private static Optional<Duration> anyLimit(Random random, int mostMillis) {
      return random.nextBoolean()
          ? Optional.of(Duration.ofMillis(1 + random.nextInt(mostMillis)))
          : Optional.empty();
    }

    void arrive(StepLoop loop) {
      generation = loop.submit(request, prompt);
    }

    Generation generation() {
      return Objects.requireNonNull(generation);
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void everyRequestOfARandomScheduleHasTheBitsOfItsLoneRun(long seed) throws InterruptedException {
    run(model, seed, new Tally());
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void soItHasWhereStepsAreLaunchedBeforeTheLastOneIsDone(long seed) throws InterruptedException {
    run(lateModel, seed, new Tally());
  }

  @Test
  void theSchedulesMeetWhatTheyAreMeantToMeet() throws InterruptedException {
    assertVaried(model);
    long overlaps = overlaps();
    assertVaried(lateModel);
    assertThat(overlaps()).isGreaterThan(overlaps);
  }

  private static long overlaps() {
    return late.stream().mapToLong(LateDevice::overlaps).sum();
  }

  private static void assertVaried(HandDriven on) throws InterruptedException {
    Tally tally = new Tally();
    for (long seed : seeds().subList(0, 20)) {
      run(on, seed, tally);
    }
    assertThat(tally.preemptions).as("preemptions").isPositive();
    assertThat(tally.cached).as("cached tokens").isPositive();
    assertThat(tally.cancelled).as("cancelled").isPositive();
    assertThat(tally.copied).as("copied tokens").isPositive();
    assertThat(tally.spilled).as("spilled blocks").isPositive();
    assertThat(tally.restored).as("restored tokens").isPositive();
    assertThat(tally.pinned).as("pinned").isPositive();
    assertThat(tally.timedOut).as("timed out").isPositive();
    assertThat(tally.inLockstep).as("schedules of several devices in lockstep").isPositive();
  }

  /** What happened, over several schedules. */
  private static final class Tally {
    long preemptions;
    long cached;
    long cancelled;
    long copied;
    long spilled;
    long restored;
    long pinned;
    long timedOut;
    long inLockstep;

    void add(EngineStats stats) {
      preemptions += stats.preemptions();
      cached += stats.cachedTokens();
      cancelled += stats.cancelled();
      copied += stats.copiedTokens();
      spilled += stats.spilledBlocks();
      restored += stats.restoredTokens();
      timedOut += stats.timedOutInQueue() + stats.timedOutBeforeFirstToken() + stats.timedOut();
    }
  }

  private static Policy anyPolicy(Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> new Policy.PrefillFirst();
      case 1 -> new Policy.FixedChunk(1 + random.nextInt(100));
      default -> new Policy.TimeBudget();
    };
  }

  private static void run(HandDriven on, long seed, Tally tally) throws InterruptedException {
    Random random = new Random(seed);
    int slots = 1 + random.nextInt(8);
    int devices = 1 + random.nextInt(DEVICES);
    int perDevice = 1 + random.nextInt(3);
    int shards = devices * perDevice;
    int[] blocks =
        random
            .ints(devices, 0, 12)
            .map(more -> perDevice * (MAX_LENGTH / KvShape.BLOCK_TOKENS) + more)
            .toArray();
    PlanLimits limits =
        PlanLimits.of(
                slots + random.nextInt(100),
                Scheduling.DEFAULT
                    .withLatencyTarget(new LatencyTarget.Factor(1.01 + random.nextDouble()))
                    .withPolicy(anyPolicy(random))
                    .withMaxPrefills(1 + random.nextInt(8)))
            .withFloor(1 + random.nextInt(32), 1 + random.nextInt(8));
    LoopOptions options =
        LoopOptions.of(shards, slots, 1024, MAX_LENGTH, random.nextInt(4) > 0, limits)
            .withLockstep(random.nextBoolean())
            .withHostBlocks(random.nextBoolean() ? random.nextInt(40) : 0);
    long[] now = {0};
    StepLoop loop =
        on.loop(options, () -> computedNanos + (now[0] += random.nextInt(1_000_000)), blocks);
    List<int[]> bases = new ArrayList<>();
    for (int i = 0; i < BASES; i++) {
      bases.add(random.ints(4 * KvShape.BLOCK_TOKENS, 0, TinyModel.VOCABULARY).toArray());
    }
    List<Guest> guests = new ArrayList<>();
    for (int i = 0; i < REQUESTS; i++) {
      guests.add(new Guest(random, bases.get(random.nextInt(BASES)), shards));
    }

    int step = 0;
    for (boolean more = true; more || step <= LAST_ARRIVAL; step++) {
      assertThat(step).as("steps").isLessThan(MAX_STEPS);
      for (Guest guest : guests) {
        if (guest.arrival == step) {
          guest.arrive(loop);
        }
        if (guest.cancellation == step) {
          guest.generation().cancel();
          guest.cancelled = true;
        }
      }
      more = loop.step();
      assertThat(loop.shards().consistent()).as("the pools after step %d", step).isTrue();
    }

    for (int i = 0; i < REQUESTS; i++) {
      check(guests.get(i), i);
      tally.pinned += guests.get(i).request.terms().shard().isPresent() ? 1 : 0;
    }
    EngineStats stats = loop.stats();
    assertThat(stats.running()).isZero();
    assertThat(stats.waiting()).isZero();
    assertThat(stats.heldBlocks()).isZero();
    assertThat(stats.failed() > 0).isEqualTo(guests.stream().anyMatch(guest -> guest.refused));
    assertThat(loop.shards().capacity()).isEqualTo(Arrays.stream(blocks).sum());
    assertThat(loop.shards().held()).isZero();
    assertThat(loop.shards().host().pool().held()).isZero();
    tally.add(stats);
    boolean several = loop.steps(-1).stream().mapToInt(StepRecord::device).distinct().count() > 1;
    tally.inLockstep += several && options.lockstep() ? 1 : 0;
  }

  private static void check(Guest guest, int number) throws InterruptedException {
    Account account = guest.generation().account();
    if (account.shard() >= 0 && guest.request.terms().shard().isPresent()) {
      assertThat(account.shard()).isEqualTo(guest.request.terms().shard().getAsInt());
    }
    List<Completion.Choice> actual;
    try {
      actual = guest.generation().await().choices();
    } catch (TimeLimitException expired) {
      assertThat(guest.request.terms().limits().of(expired.clock())).isPresent();
      guest.refused = true;
      return;
    }
    List<Completion.Choice> expected = guest.expected.choices();
    for (int choice = 0; choice < expected.size(); choice++) {
      FinishReason reason = actual.get(choice).reason();
      boolean timed = !guest.request.terms().limits().equals(TimeLimits.NONE);
      if ((guest.cancelled && reason == FinishReason.CANCELLED)
          || (timed && reason == FinishReason.TIMEOUT)) {
        int read = actual.get(choice).tokenIds().length;
        assertThat(actual.get(choice).tokens())
            .as("choice %d of request %d, %s", choice, number, reason)
            .isEqualTo(expected.get(choice).tokens().subList(0, read));
      } else {
        assertThat(actual.get(choice))
            .as("choice %d of request %d", choice, number)
            .isEqualTo(expected.get(choice));
      }
    }
    if (account.preemptions() == 0 && account.shard() >= 0 && !guest.cancelled) {
      assertThat(
              account.sharedTokens()
                  + account.copiedTokens()
                  + account.restoredTokens()
                  + account.recomputedTokens())
          .as("tokens accounted for, request %d", number)
          .isEqualTo(guest.prompt.length);
    }
  }
}
