package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.simulate.Draw;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import dev.weir.kernels.KvShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Second turns that are pinned to another device than their contexts lie on: these are copied
 * wherever that is sooner done than computing them again, with all that is in front of either.
 */
@Timeout(60)
class PinnedBurstTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int TURNS = 64;
  private static final int STREAMS = 4;
  private static final int SLOTS = 2 * TURNS + STREAMS;
  private static final int STEP_TOKENS = 1024;
  private static final int MAX_LENGTH = 8192;

  /** Room for all. */
  private static final int BLOCKS = 4096;

  private static final int MAX_ROUNDS = 200_000;

  /** Lone moves before the burst, of one block each: batches that are nearly all start. */
  private static final int LONE_MOVES = 16;

  private final VirtualClock clock = new VirtualClock();
  private final SplittableRandom random = new SplittableRandom(2026);

  private StepLoop loop(StepCost cost, long blockNanos, boolean lockstep) {
    List<DeviceModel> models = new ArrayList<>();
    for (int number = 0; number < 2; number++) {
      SimulatedDevice device =
          new SimulatedDevice(
              "simulated " + number,
              clock,
              cost,
              0,
              number,
              blockNanos,
              Draw.uniform(SimulatedWorld.VOCABULARY));
      var transformer =
          SimulatedModel.on(device, SimulatedWorld.VOCABULARY, MAX_LENGTH, STEP_TOKENS, SLOTS);
      models.add(
          new DeviceModel(
              device,
              transformer,
              device.allocateKv(transformer.kvShape(), BLOCKS),
              new CostModel()));
    }
    return new StepLoop(
        models,
        null,
        new int[0],
        LoopOptions.of(2, SLOTS, SLOTS, MAX_LENGTH, true, PlanLimits.withStepTokens(STEP_TOKENS))
            .withLockstep(lockstep),
        clock);
  }

  private int[] tokens(int count) {
    return random.ints(count, 0, SimulatedWorld.VOCABULARY).toArray();
  }

  private Sequence submit(StepLoop loop, int[] prompt, int outputs, int shard) {
    Sampling sampling =
        Sampling.builder().seed(random.nextLong()).maxTokens(outputs).ignoreEos(true).build();
    Request request =
        new Request(Prompt.of(prompt), sampling, 1, true, Terms.DEFAULT.withShard(shard));
    return ((StepLoopGeneration) loop.submit(request, prompt)).job().sequences()[0];
  }

  private static void finish(StepLoop loop, List<Sequence> all) {
    int rounds = 0;
    while (all.stream().anyMatch(one -> one.log.ending() == null)) {
      assertThat(++rounds).as("rounds").isLessThan(MAX_ROUNDS);
      loop.step();
    }
    all.forEach(SimulatedOracle::check);
  }

  /** A context of so many blocks on the first device, and a prompt that continues it. */
  private int[] prepared(StepLoop loop, int blocks) {
    int[] context = tokens(blocks * B + 1);
    finish(loop, List.of(submit(loop, context, 1, 0)));
    int[] prompt = Arrays.copyOf(context, context.length + random.nextInt(1, B - 1));
    for (int i = context.length; i < prompt.length; i++) {
      prompt[i] = random.nextInt(SimulatedWorld.VOCABULARY);
    }
    return prompt;
  }

  private static int known(Sequence turn) {
    return (turn.job.prompt().length - 1) / B * B;
  }

  /**
   * A block is computed in 0.64 ms and copied in 5 µs; but a batch of copies waits for the steps
   * that were launched before it, of 0.3 ms and more each.
   */
  private static final StepCost CHEAP = new StepCost(3e5, 1e4, 0.01, 1);

  private static final long CHEAP_BLOCK_NANOS = 5_000;

  @ParameterizedTest
  @CsvSource({"false, false", "false, true", "true, false", "true, true"})
  void whatCanBeCopiedIsNotComputedHoweverManyComeAtOnce(boolean streams, boolean lockstep) {
    StepLoop loop = loop(CHEAP, CHEAP_BLOCK_NANOS, lockstep);
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < TURNS; i++) {
      prompts.add(prepared(loop, 2 + i % 9));
    }
    List<Sequence> streaming = new ArrayList<>();
    for (int i = 0; streams && i < STREAMS; i++) {
      streaming.add(submit(loop, tokens(100), MAX_LENGTH - 100, i % 2));
    }
    for (int i = 0; i < LONE_MOVES; i++) {
      finish(loop, List.of(submit(loop, prepared(loop, 1), 2, 1)));
    }

    List<Sequence> turns = new ArrayList<>();
    for (int[] prompt : prompts) {
      turns.add(submit(loop, prompt, 8, 1));
    }
    finish(loop, turns);

    for (Sequence turn : turns) {
      Account account = turn.ledger.account();
      assertThat(account.otherShardTokens()).as("computed again").isZero();
      assertThat(account.copiedTokens()).isEqualTo(known(turn));
      assertThat(account.recomputedTokens()).isEqualTo(turn.job.prompt().length - known(turn));
    }
    assertThat(streaming.stream().allMatch(one -> one.log.ending() == null))
        .as("the streams ran beside all of it")
        .isTrue();
    streaming.forEach(loop::cancel);
    HandDriven.drain(loop);
    assertThat(loop.shards().held()).isZero();
    assertThat(loop.shards().consistent()).isTrue();
  }

  /** A block is computed in 1.28 ms, and copied in 2 ms. */
  private static final StepCost GPU = new StepCost(3e6, 2e4, 0, 0);

  private static final long SLOW_BLOCK_NANOS = 2_000_000;

  private static final int CONTEXT_BLOCKS = 20;

  /** A loop that has copied one and two contexts at a time, and knows what that takes. */
  private StepLoop slowlyCopying() {
    StepLoop loop = loop(GPU, SLOW_BLOCK_NANOS, false);
    finish(loop, List.of(submit(loop, tokens(3000), 10, 1))); // what steps take is known
    for (int i = 0; i < 6; i++) {
      int[] one = prepared(loop, CONTEXT_BLOCKS);
      int[] other = prepared(loop, CONTEXT_BLOCKS);
      List<Sequence> all = new ArrayList<>();
      all.add(submit(loop, tokens(5000), 2, 1)); // 100 ms that they would wait for
      all.add(submit(loop, one, 2, 1));
      if (i % 2 == 1) {
        all.add(submit(loop, other, 2, 1));
      }
      finish(loop, all);
    }
    assertThat(loop.stats().copiedTokens()).isEqualTo(9L * CONTEXT_BLOCKS * B);
    return loop;
  }

  @Test
  void onAnIdleDeviceAContextIsComputedIfThatIsQuickerThanTheCopy() {
    StepLoop loop = slowlyCopying();
    Sequence turn = submit(loop, prepared(loop, CONTEXT_BLOCKS), 2, 1);
    finish(loop, List.of(turn));
    // 20 blocks: 2 steps of 3 ms and 25.6 ms, against 40 ms.
    assertThat(turn.ledger.account().otherShardTokens()).isEqualTo(CONTEXT_BLOCKS * B);
  }

  @Test
  void behindAPromptThatIsComputedFirstItIsCopied() {
    StepLoop loop = slowlyCopying();
    int[] prompt = prepared(loop, CONTEXT_BLOCKS);
    Sequence before = submit(loop, tokens(2000), 2, 1);
    Sequence turn = submit(loop, prompt, 2, 1);
    finish(loop, List.of(before, turn));
    // 40 ms of the other prompt and 25.6 ms, against 40 ms.
    assertThat(turn.ledger.account().copiedTokens()).isEqualTo(CONTEXT_BLOCKS * B);
    assertThat(turn.ledger.account().otherShardTokens()).isZero();
  }

  @Test
  void besideStreamsItIsCopied() {
    StepLoop loop = slowlyCopying();
    int[] prompt = prepared(loop, CONTEXT_BLOCKS);
    Sequence stream = submit(loop, tokens(10), 1000, 1);
    for (int i = 0; i < 50; i++) {
      loop.step();
    }
    Sequence turn = submit(loop, prompt, 2, 1);
    finish(loop, List.of(turn, stream));
    // Each step of 3 ms takes 0.75 ms of prefill: 25.6 ms take 128 ms, against 40 ms.
    assertThat(turn.ledger.account().copiedTokens()).isEqualTo(CONTEXT_BLOCKS * B);
    assertThat(turn.ledger.account().otherShardTokens()).isZero();
  }

  @Test
  void ofManyAtOnceSomeAreCopiedWhileOthersAreComputed() {
    StepLoop loop = slowlyCopying();
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < TURNS; i++) {
      prompts.add(prepared(loop, CONTEXT_BLOCKS));
    }
    Sequence stream = submit(loop, tokens(10), 4000, 1);
    for (int i = 0; i < 50; i++) {
      loop.step();
    }
    List<Sequence> turns = new ArrayList<>();
    for (int[] prompt : prompts) {
      turns.add(submit(loop, prompt, 2, 1));
    }
    finish(loop, turns);
    long computed =
        turns.stream().filter(one -> one.ledger.account().otherShardTokens() > 0).count();
    // A copy of 40 ms waits for those before it, and a prompt of 128 ms likewise: about 1 : 3.
    assertThat(computed).as("computed, of " + TURNS).isBetween(TURNS / 8L, TURNS / 2L);
    loop.cancel(stream);
    HandDriven.drain(loop);
  }
}
