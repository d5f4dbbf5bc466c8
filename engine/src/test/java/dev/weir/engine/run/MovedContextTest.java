package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A context goes on elsewhere than where it was computed: nothing of it is computed twice, the bits
 * are those of a lone run, and where a device is lost on the way nobody else notices.
 */
@Timeout(120)
class MovedContextTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int MAX_LENGTH = 8 * B;

  /** Room for one context and a turn, so that a second one displaces it. */
  private static final int SCARCE = 8;

  private static final int ROOMY = 64;
  private static final int CONTEXT = 5 * B;
  private static final int TURN = 20;

  /** More than the calls of a migration and the steps around it. */
  private static final int MAX_CALLS = 200;

  private static final int CALL_STRIDE = 3;

  @TempDir static Path folder;
  private FailingDevice first;
  private FailingDevice second;
  private HandDriven model;

  @BeforeEach
  void load() {
    TinyModel.write(folder, DType.F32, 1);
    first = new FailingDevice(HandDriven.fastest());
    second = new FailingDevice(HandDriven.fastest());
    model = new HandDriven(folder, first, second);
  }

  @AfterEach
  void close() {
    model.close();
  }

  private static LoopOptions options(int shards) {
    return LoopOptions.of(shards, 16, 64, MAX_LENGTH, true, PlanLimits.withStepTokens(128));
  }

  private static int[] prompt(long seed, int length) {
    return new Random(seed).ints(length, 0, TinyModel.VOCABULARY).toArray();
  }

  private static Request request(int[] prompt, int outputs) {
    return Request.of(
        Prompt.of(prompt),
        Sampling.builder().seed(7).temperature(1).maxTokens(outputs).ignoreEos(true).build());
  }

  private static Generation submit(StepLoop loop, int[] prompt, int shard) {
    return loop.submit(request(prompt, 8).withTerms(Terms.DEFAULT.withShard(shard)), prompt);
  }

  private static Generation serve(StepLoop loop, int[] prompt, int shard) {
    Generation generation = submit(loop, prompt, shard);
    HandDriven.drain(loop);
    return generation;
  }

  /** The choices of a lone run on a device that never fails. */
  private static List<Completion.Choice> alone(int[]... prompts) throws InterruptedException {
    List<Completion.Choice> choices = new ArrayList<>();
    try (HandDriven reference = new HandDriven(folder, HandDriven.fastest())) {
      StepLoop loop = reference.loop(1, MAX_LENGTH / B, MAX_LENGTH, false, 128);
      for (int[] prompt : prompts) {
        choices.addAll(HandDriven.alone(loop, request(prompt, 8), prompt).choices());
      }
    }
    return choices;
  }

  private static void assertNothingHeld(StepLoop loop) {
    assertThat(loop.shards().consistent()).isTrue();
    assertThat(loop.shards().held()).isZero();
    assertThat(loop.shards().host().pool().held()).isZero();
    assertThat(loop.stats().running()).isZero();
    assertThat(loop.stats().waiting()).isZero();
  }

  @Test
  void aTurnOnAnotherDeviceComputesItsNewTokensOnly() throws InterruptedException {
    StepLoop loop = model.loop(options(2), ROOMY, ROOMY);
    int[] turn = prompt(1, CONTEXT + TURN);
    serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
    Generation next = serve(loop, turn, 1);
    Account account = next.account();
    assertThat(account.copiedTokens()).isEqualTo(CONTEXT);
    assertThat(account.recomputedTokens()).isEqualTo(TURN);
    assertThat(account.coldTokens()).isEqualTo(TURN);
    assertThat(account.sharedTokens()).isZero();
    assertThat(account.copyNanos()).isPositive();
    assertThat(loop.stats().copiedTokens()).isEqualTo(CONTEXT);
    assertThat(next.await().choices()).isEqualTo(alone(turn));
    assertNothingHeld(loop);
  }

  @Test
  void aTurnOnAnotherShardOfTheDeviceSharesTheContext() throws InterruptedException {
    StepLoop loop = model.loop(options(4), ROOMY, ROOMY);
    int[] turn = prompt(1, CONTEXT + TURN);
    serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
    Generation next = serve(loop, turn, 1);
    assertThat(next.account().sharedTokens()).isEqualTo(CONTEXT);
    assertThat(next.account().recomputedTokens()).isEqualTo(TURN);
    assertThat(next.account().copiedTokens()).isZero();
    assertThat(next.await().choices()).isEqualTo(alone(turn));
    assertNothingHeld(loop);
  }

  @Test
  void aContextThatWasSpilledToHostMemoryIsFoundThere() throws InterruptedException {
    StepLoop loop = model.loop(options(1).withHostBlocks(2 * ROOMY), ROOMY);
    int[] turn = prompt(1, CONTEXT + TURN);
    serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
    for (int other = 2; other < 2 + ROOMY; other++) { // take its blocks bit by bit
      serve(loop, prompt(other, B), 0);
    }
    Generation next = serve(loop, turn, 0);
    Account account = next.account();
    assertThat(loop.stats().spilledBlocks()).isPositive();
    // Under this clock computing may seem quicker than a copy: then it says that the KV was there.
    assertThat(account.restoredTokens() + account.otherShardTokens()).isEqualTo(CONTEXT);
    assertThat(account.coldTokens()).isEqualTo(TURN);
    assertThat(account.evictedTokens()).isZero();
    assertThat(next.await().choices()).isEqualTo(alone(turn));
    assertNothingHeld(loop);
  }

  @Test
  void aPoolThatIsTooSmallForAllContextsIsOnlySlower() throws InterruptedException {
    StepLoop loop = model.loop(options(1), SCARCE);
    int[] turn = prompt(1, CONTEXT + TURN);
    serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
    serve(loop, prompt(2, 7 * B), 0);
    Generation next = serve(loop, turn, 0);
    assertThat(next.account().recomputedTokens()).isGreaterThan(TURN);
    assertThat(next.await().choices()).isEqualTo(alone(turn));
    assertNothingHeld(loop);
  }

  @Test
  void manySamplesOfOnePromptComputeItOnceAndSpread() throws InterruptedException {
    StepLoop loop = model.loop(options(4), ROOMY, ROOMY);
    int[] prompt = prompt(3, CONTEXT + TURN);
    List<Generation> group =
        IntStream.range(0, 16).mapToObj(i -> loop.submit(request(prompt, 8), prompt)).toList();
    HandDriven.drain(loop);
    List<Completion.Choice> expected = alone(prompt);
    for (Generation one : group) {
      assertThat(one.await().choices()).isEqualTo(expected);
    }
    // What follows the last full block is everybody's own.
    assertThat(loop.stats().prefillTokens()).isEqualTo(CONTEXT + 16L * TURN);
    assertThat(group.stream().map(one -> one.account().shard()).distinct().count())
        .isGreaterThan(1);
    assertNothingHeld(loop);
  }

  @Test
  void aDeviceThatIsLostAtAnyCallTakesItsOwnRequestsOnly() throws InterruptedException {
    int[] turn = prompt(1, CONTEXT + TURN);
    int[] other = prompt(2, 3 * B);
    List<Completion.Choice> expected = alone(turn, other);
    int lost = 0;
    for (int call = 0; call < MAX_CALLS; call += CALL_STRIDE) {
      for (boolean destination : new boolean[] {false, true}) {
        FailingDevice from = new FailingDevice(HandDriven.fastest());
        FailingDevice to = new FailingDevice(HandDriven.fastest());
        try (HandDriven fresh = new HandDriven(folder, from, to)) {
          StepLoop loop = fresh.loop(options(2).withHostBlocks(SCARCE), SCARCE, SCARCE);
          serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
          (destination ? to : from).failAfter(call, gone());
          Generation moved = submit(loop, turn, 1);
          Generation stays = submit(loop, other, 0);
          HandDriven.drain(loop);
          boolean happened = !(destination ? to : from).armed();
          lost += happened ? 1 : 0;
          check(moved, expected.get(0), happened && destination);
          check(stays, expected.get(1), happened && !destination);
          assertThat(loop.shards().consistent()).as("call %d", call).isTrue();
          assertNothingHeld(loop);
          if (happened) {
            int gone = destination ? 1 : 0;
            assertThatThrownBy(serve(loop, other, gone)::await)
                .isInstanceOf(RequestFailedException.class)
                .hasMessageContaining("is gone");
            assertThat(serve(loop, other, 1 - gone).await().choices().getFirst())
                .isEqualTo(expected.get(1));
          }
        }
      }
    }
    assertThat(lost).isGreaterThan(10);
  }

  /** A request whose device is lost fails, unless it was done by then; all others are served. */
  private static void check(Generation one, Completion.Choice expected, boolean mayFail)
      throws InterruptedException {
    try {
      assertThat(one.await().choices().getFirst()).isEqualTo(expected);
    } catch (RequestFailedException failure) {
      assertThat(mayFail).as(failure.toString()).isTrue();
      assertThat(failure).hasMessageContaining("is gone");
    }
  }

  private static DeviceLostException gone() {
    return new DeviceLostException("the device is gone", new IllegalStateException("test"));
  }

  @Test
  void withNoDeviceLeftEveryRequestIsToldSo() throws InterruptedException {
    StepLoop loop = model.loop(options(2), ROOMY, ROOMY);
    first.failAfter(0, gone());
    second.failAfter(0, gone());
    int[] prompt = prompt(2, B);
    List<Generation> all = new ArrayList<>();
    for (int shard : new int[] {0, 1, 0, 1}) {
      all.add(submit(loop, prompt, shard));
    }
    HandDriven.drain(loop);
    all.add(loop.submit(request(prompt, 8), prompt));
    HandDriven.drain(loop);
    for (Generation one : all) {
      assertThatThrownBy(one::await)
          .isInstanceOf(RequestFailedException.class)
          .hasMessageContaining("is gone");
    }
    assertNothingHeld(loop);
  }

  @Test
  void cancellingAtAnyMomentOfACopyOrASpillGivesEverythingBack() throws InterruptedException {
    int[] turn = prompt(1, CONTEXT + TURN);
    int midst = 0;
    try (HandDriven late =
        new HandDriven(
            folder, new LateDevice(HandDriven.fastest()), new LateDevice(HandDriven.fastest()))) {
      for (int steps = 0; steps < 12; steps++) {
        StepLoop loop = late.loop(options(2).withHostBlocks(SCARCE), SCARCE, SCARCE);
        serve(loop, Arrays.copyOf(turn, CONTEXT + 1), 0);
        Generation moved = submit(loop, turn, 1);
        Generation storm = submit(loop, prompt(4, 7 * B), 0);
        for (int i = 0; i < steps; i++) {
          loop.step();
        }
        midst += ((StepLoopGeneration) moved).job().sequences()[0].move != null ? 1 : 0;
        moved.cancel();
        storm.cancel();
        HandDriven.drain(loop);
        assertNothingHeld(loop);
        assertThat(serve(loop, turn, 0).await().choices()).isEqualTo(alone(turn));
        assertNothingHeld(loop);
      }
    }
    assertThat(midst).as("cancelled in the midst of a copy").isPositive();
  }
}
