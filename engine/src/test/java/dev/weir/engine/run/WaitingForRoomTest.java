package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Generation;
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
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Who has found no room is not placed again before something was given back, and then at once,
 * whatever it was.
 */
class WaitingForRoomTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int VOCABULARY = 100;
  private static final int SHARDS = 2;

  /** A shard of so many wants two that are free: where a context leaves one it spills. */
  private static final int SHARD_BLOCKS = 17;

  private static final int SLOTS = 4;

  /** More steps than any test here needs. */
  private static final int MAX_STEPS = 1000;

  private static final long COPY_NANOS = 1_000_000;

  private static StepLoop loop(int slots, int hostBlocks) {
    VirtualClock clock = new VirtualClock();
    SimulatedDevice device =
        new SimulatedDevice(
            "simulated", clock, StepCost.GPU, 0, 0, COPY_NANOS, Draw.uniform(VOCABULARY));
    int longest = SHARD_BLOCKS * B;
    PlanLimits limits = PlanLimits.withStepTokens(longest);
    var transformer = SimulatedModel.on(device, VOCABULARY, longest, limits.stepTokens(), slots);
    var arena = device.allocateKv(transformer.kvShape(), SHARDS * SHARD_BLOCKS);
    return new StepLoop(
        List.of(new DeviceModel(device, transformer, arena, new CostModel())),
        null,
        new int[0],
        LoopOptions.of(SHARDS, slots, SLOTS, longest, true, limits).withHostBlocks(hostBlocks),
        clock);
  }

  private static Generation submit(StepLoop loop, long seed, int length, int outputs, Terms terms) {
    int[] prompt = new Random(seed).ints(length, 0, VOCABULARY).toArray();
    Sampling sampling = Sampling.builder().maxTokens(outputs).ignoreEos(true).build();
    return loop.submit(Request.of(Prompt.of(prompt), sampling).withTerms(terms), prompt);
  }

  private static Generation submitPinned(StepLoop loop, long seed, int length, int outputs) {
    return submit(loop, seed, length, outputs, Terms.DEFAULT.withShard(0));
  }

  private static Sequence sequence(Generation generation) {
    return ((StepLoopGeneration) generation).job().sequences()[0];
  }

  private static void assertRefused(StepLoop loop, Sequence waiting) {
    assertThat(waiting.runs()).isFalse();
    assertThat(waiting.refusedAt).isEqualTo(loop.shards().givenBack());
  }

  private static void stepUntilItEnds(StepLoop loop, Sequence running) {
    for (int steps = 0; running.log.ending() == null; steps++) {
      assertThat(steps).isLessThan(MAX_STEPS);
      loop.step();
    }
  }

  @Test
  void whoWaitsForBlocksStartsWhenTheirHolderEnds() {
    StepLoop loop = loop(SLOTS, 0);
    Sequence holder = sequence(submitPinned(loop, 1, 12 * B, B));
    Sequence waiting = sequence(submitPinned(loop, 2, 12 * B, 1));
    loop.step();
    loop.step();
    assertThat(holder.runs()).isTrue();
    assertRefused(loop, waiting);
    stepUntilItEnds(loop, holder);
    loop.step();
    assertThat(waiting.runs()).isTrue();
  }

  @Test
  void whoWaitsForBlocksStartsWhenTheirHolderIsCancelled() {
    StepLoop loop = loop(SLOTS, 0);
    Generation holder = submitPinned(loop, 1, 12 * B, B);
    Sequence waiting = sequence(submitPinned(loop, 2, 12 * B, 1));
    loop.step();
    loop.step();
    assertRefused(loop, waiting);
    holder.cancel();
    loop.step();
    assertThat(waiting.runs()).isTrue();
  }

  @Test
  void whoWaitsForASlotStartsWhenOneIsFree() {
    StepLoop loop = loop(1, 0);
    Sequence holder = sequence(submit(loop, 1, B, B, Terms.DEFAULT));
    Sequence waiting = sequence(submit(loop, 2, B, 1, Terms.DEFAULT));
    loop.step();
    loop.step();
    assertRefused(loop, waiting);
    stepUntilItEnds(loop, holder);
    loop.step();
    assertThat(waiting.runs()).isTrue();
  }

  @Test
  void whoWaitsForBlocksThatAreCopiedToHostMemoryStartsWhenTheyAre() {
    StepLoop loop = loop(SLOTS, SHARD_BLOCKS);
    stepUntilItEnds(loop, sequence(submitPinned(loop, 1, 16 * B + 1, B - 1)));
    loop.step();
    assertThat(loop.transfers().underWay()).isTrue();
    Sequence waiting = sequence(submitPinned(loop, 2, 17 * B - 1, 1));
    loop.step();
    assertRefused(loop, waiting);
    loop.step();
    assertThat(waiting.runs()).isTrue();
  }

  @Test
  void whoFoundNoRoomIsPassedByThoseWhoWaitForAnotherShard() {
    StepLoop loop = loop(SLOTS, 0);
    submitPinned(loop, 1, 12 * B, B);
    Sequence waiting = sequence(submitPinned(loop, 2, 12 * B, 1));
    loop.step();
    assertRefused(loop, waiting);
    Sequence other = sequence(submit(loop, 3, 12 * B, 1, Terms.DEFAULT.withShard(1)));
    loop.step();
    assertThat(other.runs()).isTrue();
    assertThat(waiting.runs()).isFalse();
  }
}
