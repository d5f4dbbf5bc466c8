package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Clients leave at any time, and more is asked for than there is room for: afterwards every block
 * of every pool is free or cached, no lease of a session that is ended is left, and whoever stayed
 * has the bits of its lone run.
 */
@Timeout(240)
class GivenBackTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int CONTEXT = 5 * B;
  private static final int QUESTION = 20;
  private static final int OUTPUTS = 12;
  private static final int HOST_BLOCKS = 48;

  /** More rounds than anything here takes to begin. */
  private static final int MAX_ROUNDS = 200;

  private static final int[] FIRST = Turns.prompt(1, CONTEXT + QUESTION);
  private static final int[] SPILLED = Turns.prompt(3, CONTEXT + QUESTION);
  private static final int[] COLD = Turns.prompt(4, 7 * B);

  /** Of those that decode meanwhile, one on each device. */
  private static final int[][] NEIGHBOURS = {Turns.prompt(30, B + 5), Turns.prompt(31, B + 5)};

  private static final int LONG = 300;

  @TempDir static Path folder;
  private static TwoDevices two;
  private static Turns.Alone lone;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    two = new TwoDevices(folder, true);
    lone = new Turns.Alone(folder);
  }

  @AfterAll
  static void close() {
    two.close();
    lone.close();
  }

  /** What is being done for a request. */
  enum Midst {
    PREFILL(0),
    MIGRATION(1),
    RESTORE(0),
    RESTORE_ELSEWHERE(1),
    /** Others' idle blocks are copied to host memory, to make room. */
    SPILL(0);

    final int shard;

    Midst(int shard) {
      this.shard = shard;
    }

    int[] prompt() {
      return switch (this) {
        case PREFILL, SPILL -> COLD;
        case MIGRATION -> FIRST;
        case RESTORE, RESTORE_ELSEWHERE -> SPILLED;
      };
    }

    boolean is(StepLoop loop, Sequence sequence) {
      ContextMove move = sequence.move;
      boolean copied = move != null && move.moving() > 0;
      boolean fromHost = move != null && loop.shards().inHostMemory(move.source(0));
      return switch (this) {
        case PREFILL ->
            sequence.runs()
                && sequence.computed > sequence.admittedWith
                && sequence.computed < sequence.length();
        case MIGRATION -> copied && !fromHost;
        case RESTORE, RESTORE_ELSEWHERE -> copied && fromHost;
        case SPILL -> sequence.runs() && spills(loop);
      };
    }
  }

  private static boolean spills(StepLoop loop) {
    return two.late(0).copiesInFlight() > 0 && loop.transfers().spills(0);
  }

  /** A loop in which contexts lie on the first device, which is full, and in host memory. */
  private static StepLoop prepared() {
    StepLoop loop = two.loop(HOST_BLOCKS);
    Turns.serve(loop, Arrays.copyOf(SPILLED, CONTEXT + 1), 1, 0);
    TwoDevices.displace(loop, 0);
    Turns.serve(loop, Arrays.copyOf(FIRST, CONTEXT + 1), 1, 0);
    return loop;
  }

  @ParameterizedTest
  @EnumSource(Midst.class)
  void aClientThatLeavesInTheMidstOfItLeavesNothingBehind(Midst midst) throws InterruptedException {
    int left = 0;
    boolean more = true;
    for (int later = 0; more; later++) {
      StepLoop loop = prepared();
      List<Generation> neighbours = new ArrayList<>();
      for (int shard = 0; shard < 2; shard++) {
        neighbours.add(Turns.submit(loop, NEIGHBOURS[shard], LONG, shard));
      }
      Terms terms = Terms.DEFAULT.withSession("a").withShard(midst.shard);
      Generation leaving = Turns.submit(loop, midst.prompt(), OUTPUTS, terms);
      stepUntil(midst, loop, Turns.sequence(leaving));
      for (int round = 0; round < later && more; round++) {
        loop.step();
        more = midst.is(loop, Turns.sequence(leaving));
      }
      if (more) {
        left++;
        leaving.close();
        HandDriven.drain(loop);
        assertThat(leaving.await().choices().getFirst().reason()).isEqualTo(FinishReason.CANCELLED);
      } else {
        HandDriven.drain(loop);
        assertRight(leaving, midst.prompt(), OUTPUTS);
      }
      for (int shard = 0; shard < 2; shard++) {
        assertRight(neighbours.get(shard), NEIGHBOURS[shard], LONG);
      }
      Turns.assertNothingHeld(loop);
      assertRight(Turns.serve(loop, midst.prompt(), OUTPUTS, terms), midst.prompt(), OUTPUTS);
      Turns.assertNothingHeld(loop);
      Turns.endSessions(loop);
    }
    assertThat(left).as("rounds in the midst of it").isPositive();
  }

  private static void stepUntil(Midst midst, StepLoop loop, Sequence sequence) {
    int rounds = 0;
    while (!midst.is(loop, sequence)) {
      assertThat(rounds++).as("rounds until it begins").isLessThan(MAX_ROUNDS);
      loop.step();
    }
  }

  private static void assertRight(Generation one, int[] prompt, int outputs)
      throws InterruptedException {
    assertThat(Turns.answer(one)).isEqualTo(lone.answer(prompt, outputs));
  }

  /** A client of a storm. */
  private static final class Guest {
    final int[] prompt;
    final Terms terms;
    final int arrival;

    /** {@link Integer#MAX_VALUE}: it stays. */
    final int departure;

    private @Nullable Generation generation;

    Guest(Random random, int number) {
      int kind = random.nextInt(4);
      int[] base =
          switch (kind) {
            case 0 -> FIRST;
            case 1 -> SPILLED;
            case 2 -> Turns.prompt(500 + random.nextInt(6), 6 * B);
            default -> Turns.prompt(600 + number, 7 * B);
          };
      prompt = Arrays.copyOf(base, base.length - random.nextInt(2 * B));
      Terms anywhere = Terms.DEFAULT.withSession("session " + random.nextInt(20));
      terms = random.nextBoolean() ? anywhere.withShard(random.nextInt(2)) : anywhere;
      arrival = random.nextInt(ARRIVALS);
      departure = random.nextInt(8) == 0 ? Integer.MAX_VALUE : arrival + random.nextInt(STAY);
    }
  }

  private static final int GUESTS = 60;

  /** Rounds in which guests come, and in which most of them leave again. */
  private static final int ARRIVALS = 120;

  private static final int STAY = 40;

  @Test
  void aStormOfClientsThatLeaveLeavesNothingBehind() throws InterruptedException {
    Map<Midst, Integer> left = new EnumMap<>(Midst.class);
    for (int seed = 0; seed < 6; seed++) {
      Random random = new Random(seed);
      StepLoop loop = prepared();
      List<Guest> guests = new ArrayList<>();
      for (int i = 0; i < GUESTS; i++) {
        guests.add(new Guest(random, i));
      }
      boolean more = true;
      for (int round = 0; more || round < ARRIVALS + STAY; round++) {
        for (Guest guest : guests) {
          if (guest.arrival == round) {
            guest.generation = Turns.submit(loop, guest.prompt, OUTPUTS, guest.terms);
          }
          Generation generation = guest.generation;
          if (guest.departure == round && generation != null) {
            for (Midst midst : Midst.values()) {
              if (midst.is(loop, Turns.sequence(generation))) {
                left.merge(midst, 1, Integer::sum);
              }
            }
            generation.close();
          }
        }
        more = loop.step();
        assertThat(loop.shards().consistent()).as("seed %d, round %d", seed, round).isTrue();
      }
      for (Guest guest : guests) {
        if (guest.departure == Integer.MAX_VALUE && guest.generation != null) {
          assertRight(guest.generation, guest.prompt, OUTPUTS);
        }
      }
      Turns.assertNothingHeld(loop);
      assertThat(loop.stats().failed()).isZero();
      Turns.endSessions(loop);
    }
    assertThat(left).containsOnlyKeys(Midst.values());
  }

  @Test
  void anExhaustedShardLetsItsOwnWaitAndNobodyElse() throws InterruptedException {
    StepLoop loop = two.loop(0);
    List<Generation> pinned = new ArrayList<>();
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < TwoDevices.BLOCKS / 2; i++) { // more than fit, and each more than doubles
      prompts.add(Turns.prompt(700 + i, 3 * B));
      pinned.add(Turns.submit(loop, prompts.get(i), 4 * B, 0));
    }
    for (int round = 0; round < 4; round++) {
      loop.step();
    }
    assertThat(loop.stats().waiting()).isPositive();

    int[] other = Turns.prompt(800, 3 * B);
    Generation free = Turns.submit(loop, other, OUTPUTS, Terms.DEFAULT);
    Generation elsewhere = Turns.submit(loop, COLD, OUTPUTS, 1);
    int rounds = 0;
    while (Turns.sequence(free).log.ending() == null
        || Turns.sequence(elsewhere).log.ending() == null) {
      assertThat(rounds++).isLessThan(MAX_ROUNDS);
      loop.step();
    }
    assertThat(free.account().shard()).isEqualTo(1);
    assertThat(loop.stats().waiting()).as("still, at the full shard").isPositive();
    assertRight(free, other, OUTPUTS);
    assertRight(elsewhere, COLD, OUTPUTS);
    HandDriven.drain(loop);

    for (int i = 0; i < pinned.size(); i++) {
      assertRight(pinned.get(i), prompts.get(i), 4 * B);
      assertThat(pinned.get(i).account().shard()).isZero();
    }
    assertThat(loop.stats().preemptions()).isPositive();
    assertThat(loop.stats().failed()).isZero();
    Turns.assertNothingHeld(loop);
  }

  @ParameterizedTest
  @ValueSource(ints = {4 * B, 4 * B + 1, 6 * B})
  void aPromptLargerThanAShardIsRefusedAtOnceWithTheNumbers(int length) {
    StepLoop loop = two.model.loop(TwoDevices.options(0), 4, 6);
    EngineStats before = loop.stats();

    assertThatThrownBy(() -> Turns.submit(loop, Turns.prompt(1, length), OUTPUTS, Terms.DEFAULT))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContainingAll(length + " tokens", "256", "4 blocks of 64", "KV memory");

    assertThat(loop.step()).as("anything to do").isFalse();
    assertThat(loop.stats().requests()).isEqualTo(before.requests());
    Turns.assertNothingHeld(loop);
  }

  @Test
  void thePromptThatJustFitsIsServedAndEndsWhereTheShardDoes() throws InterruptedException {
    StepLoop loop = two.model.loop(TwoDevices.options(0), 4, 6);
    int[] prompt = Turns.prompt(1, 4 * B - 1);
    Generation one = Turns.serve(loop, prompt, OUTPUTS, 0);
    assertRight(one, prompt, 1);
    assertThat(Turns.answer(one).reason()).isEqualTo(FinishReason.LENGTH);
    Turns.assertNothingHeld(loop);
  }
}
