package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Schedules drawn from a seed, run step by step under a clock drawn from the same seed: random
 * arrivals, cancellations, choices, shared prompts, slots, step tokens, and pools that are too
 * small. Whatever the schedule, each request gets the bits of a lone run, and every block comes
 * back.
 */
class RandomScheduleTest {
  private static final int SEEDS = 40;
  private static final int REQUESTS = 8;
  private static final int MAX_LENGTH = 5 * KvShape.BLOCK_TOKENS;
  private static final int LAST_ARRIVAL = 60;
  private static final int MAX_STEPS = 20_000;

  @TempDir static Path folder;
  private static HandDriven model;
  private static LateDevice late;
  private static HandDriven lateModel;
  private static StepLoop lone;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    model = new HandDriven(folder, HandDriven.fastest());
    late = new LateDevice(HandDriven.fastest());
    lateModel = new HandDriven(folder, late);
    lone = model.loop(1, MAX_LENGTH / KvShape.BLOCK_TOKENS, MAX_LENGTH, false, 256);
  }

  @AfterAll
  static void close() {
    model.close();
    lateModel.close();
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

    Guest(Random random, int[] base) throws InterruptedException {
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
      request = new Request(Prompt.of(prompt), sampling.build(), choices, true);
      arrival = random.nextInt(LAST_ARRIVAL);
      cancellation = random.nextInt(4) == 0 ? arrival + random.nextInt(80) : Integer.MAX_VALUE;
      expected = HandDriven.alone(lone, request, prompt);
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
    run(model, seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void soItHasWhereStepsAreLaunchedBeforeTheLastOneIsDone(long seed) throws InterruptedException {
    run(lateModel, seed);
  }

  @Test
  void theSchedulesPreemptHitPrefixesAndCancel() throws InterruptedException {
    assertVaried(model);
    long overlaps = late.overlaps();
    assertVaried(lateModel);
    assertThat(late.overlaps()).isGreaterThan(overlaps);
  }

  private static void assertVaried(HandDriven on) throws InterruptedException {
    long preemptions = 0;
    long cached = 0;
    long cancelled = 0;
    for (long seed : seeds().subList(0, 12)) {
      StepLoop loop = run(on, seed);
      preemptions += loop.stats().preemptions();
      cached += loop.stats().cachedTokens();
      cancelled += loop.stats().cancelled();
    }
    assertThat(preemptions).isPositive();
    assertThat(cached).isPositive();
    assertThat(cancelled).isPositive();
  }

  private static Policy anyPolicy(Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> new Policy.PrefillFirst();
      case 1 -> new Policy.FixedChunk(1 + random.nextInt(100));
      default -> new Policy.TimeBudget();
    };
  }

  private static StepLoop run(HandDriven on, long seed) throws InterruptedException {
    Random random = new Random(seed);
    int slots = 1 + random.nextInt(8);
    int shards = 1 + random.nextInt(3);
    int blocks = shards * (MAX_LENGTH / KvShape.BLOCK_TOKENS) + random.nextInt(12);
    PlanLimits limits =
        PlanLimits.of(
                slots + random.nextInt(100),
                Scheduling.DEFAULT
                    .withLatencyTarget(new LatencyTarget.Factor(1.01 + random.nextDouble()))
                    .withPolicy(anyPolicy(random))
                    .withMaxPrefills(1 + random.nextInt(8)))
            .withFloor(1 + random.nextInt(32), 1 + random.nextInt(8));
    long[] now = {0};
    StepLoop loop =
        on.loop(
            shards,
            slots,
            blocks,
            MAX_LENGTH,
            random.nextBoolean(),
            limits,
            () -> now[0] += random.nextInt(1_000_000));
    int[] base = random.ints(4 * KvShape.BLOCK_TOKENS, 0, TinyModel.VOCABULARY).toArray();
    List<Guest> guests = new ArrayList<>();
    for (int i = 0; i < REQUESTS; i++) {
      guests.add(new Guest(random, base));
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
    }
    assertThat(loop.stats().running()).isZero();
    assertThat(loop.stats().waiting()).isZero();
    assertThat(loop.stats().heldBlocks()).isZero();
    assertThat(loop.stats().failed()).isZero();
    assertThat(loop.shards().capacity() - loop.shards().held()).isEqualTo(blocks);
    return loop;
  }

  private static void check(Guest guest, int number) throws InterruptedException {
    List<Completion.Choice> actual = guest.generation().await().choices();
    List<Completion.Choice> expected = guest.expected.choices();
    for (int choice = 0; choice < expected.size(); choice++) {
      if (guest.cancelled && actual.get(choice).reason() == FinishReason.CANCELLED) {
        int read = actual.get(choice).tokenIds().length;
        assertThat(actual.get(choice).tokens())
            .as("choice %d of cancelled request %d", choice, number)
            .isEqualTo(expected.get(choice).tokens().subList(0, read));
      } else {
        assertThat(actual.get(choice))
            .as("choice %d of request %d", choice, number)
            .isEqualTo(expected.get(choice));
      }
    }
  }
}
