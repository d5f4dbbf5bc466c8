package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many samples of one context compute it once, wherever they run; and where a device is lost at any
 * call while a context moves, nobody else notices.
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
  private static final int OUTPUTS = 8;

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

  /** The choices of a lone run on a device that never fails. */
  private static List<Completion.Choice> alone(int[]... prompts) throws InterruptedException {
    List<Completion.Choice> choices = new ArrayList<>();
    try (HandDriven reference = new HandDriven(folder, HandDriven.fastest())) {
      StepLoop loop = reference.loop(1, MAX_LENGTH / B, MAX_LENGTH, false, 128);
      for (int[] prompt : prompts) {
        choices.addAll(HandDriven.alone(loop, Turns.request(prompt, OUTPUTS), prompt).choices());
      }
    }
    return choices;
  }

  @Test
  void manySamplesOfOnePromptComputeItOnceAndSpread() throws InterruptedException {
    StepLoop loop = model.loop(options(4), ROOMY, ROOMY);
    int[] prompt = Turns.prompt(3, CONTEXT + TURN);
    List<Generation> group =
        IntStream.range(0, 16)
            .mapToObj(i -> Turns.submit(loop, prompt, OUTPUTS, Terms.DEFAULT))
            .toList();
    HandDriven.drain(loop);
    List<Completion.Choice> expected = alone(prompt);
    for (Generation one : group) {
      assertThat(one.await().choices()).isEqualTo(expected);
    }
    // What follows the last full block is everybody's own.
    assertThat(loop.stats().prefillTokens()).isEqualTo(CONTEXT + 16L * TURN);
    assertThat(group.stream().map(one -> one.account().shard()).distinct().count())
        .isGreaterThan(1);
    Turns.assertNothingHeld(loop);
  }

  @Test
  void aDeviceThatIsLostAtAnyCallTakesItsOwnRequestsOnly() throws InterruptedException {
    int[] turn = Turns.prompt(1, CONTEXT + TURN);
    int[] other = Turns.prompt(2, 3 * B);
    List<Completion.Choice> expected = alone(turn, other);
    int lost = 0;
    for (int call = 0; call < MAX_CALLS; call += CALL_STRIDE) {
      for (boolean destination : new boolean[] {false, true}) {
        FailingDevice from = new FailingDevice(HandDriven.fastest());
        FailingDevice to = new FailingDevice(HandDriven.fastest());
        try (HandDriven fresh = new HandDriven(folder, from, to)) {
          StepLoop loop = fresh.loop(options(2).withHostBlocks(SCARCE), SCARCE, SCARCE);
          Turns.serve(loop, Arrays.copyOf(turn, CONTEXT + 1), OUTPUTS, 0);
          (destination ? to : from).failAfter(call, gone());
          Generation moved = Turns.submit(loop, turn, OUTPUTS, 1);
          Generation stays = Turns.submit(loop, other, OUTPUTS, 0);
          HandDriven.drain(loop);
          boolean happened = !(destination ? to : from).armed();
          lost += happened ? 1 : 0;
          check(moved, expected.get(0), happened && destination);
          check(stays, expected.get(1), happened && !destination);
          assertThat(loop.shards().consistent()).as("call %d", call).isTrue();
          Turns.assertNothingHeld(loop);
          if (happened) {
            int gone = destination ? 1 : 0;
            assertThatThrownBy(Turns.serve(loop, other, OUTPUTS, gone)::await)
                .isInstanceOf(RequestFailedException.class)
                .hasMessageContaining("is gone");
            assertThat(Turns.serve(loop, other, OUTPUTS, 1 - gone).await().choices().getFirst())
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
    int[] prompt = Turns.prompt(2, B);
    List<Generation> all = new ArrayList<>();
    for (int shard : new int[] {0, 1, 0, 1}) {
      all.add(Turns.submit(loop, prompt, OUTPUTS, shard));
    }
    HandDriven.drain(loop);
    all.add(Turns.submit(loop, prompt, OUTPUTS, Terms.DEFAULT));
    HandDriven.drain(loop);
    for (Generation one : all) {
      assertThatThrownBy(one::await)
          .isInstanceOf(RequestFailedException.class)
          .hasMessageContaining("is gone");
    }
    Turns.assertNothingHeld(loop);
  }
}
