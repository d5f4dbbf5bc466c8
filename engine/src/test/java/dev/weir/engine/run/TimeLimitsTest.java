package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.request.TimeLimitException;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A request's clocks, under a clock of the test's own: who is charged for what, and what ends. */
class TimeLimitsTest {
  private static final Optional<Duration> NONE = Optional.empty();
  private static final int MAX_LENGTH = TinyModel.CONTEXT;

  /** Each look at the clock takes so long, so that a step takes some milliseconds. */
  private static final long LOOK = 1_000_000;

  @TempDir static Path folder;
  private static HandDriven model;

  private long now;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    model = new HandDriven(folder, HandDriven.fastest());
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private StepLoop loop(int slots, LoopOptions options) {
    return model.loop(options, () -> now += LOOK, slots * MAX_LENGTH / 64);
  }

  private static LoopOptions options(int slots) {
    return LoopOptions.of(1, slots, 100, MAX_LENGTH, true, PlanLimits.withStepTokens(64));
  }

  private static Generation submit(
      StepLoop loop, int seed, int length, int outputs, TimeLimits limits) {
    int[] prompt = new Random(seed).ints(length, 0, TinyModel.VOCABULARY).toArray();
    Sampling sampling =
        Sampling.builder().temperature(0).maxTokens(outputs).ignoreEos(true).build();
    return loop.submit(
        new Request(Prompt.of(prompt), sampling, 1, true)
            .withTerms(Terms.DEFAULT.withLimits(limits)),
        prompt);
  }

  private static TimeLimits queue(Duration limit) {
    return new TimeLimits(Optional.of(limit), NONE, NONE);
  }

  @Test
  void whoWaitsTooLongToBeAdmittedEndsBeforeAnythingIsComputedForIt() throws InterruptedException {
    StepLoop loop = loop(1, options(1));
    Generation runs = submit(loop, 1, 10, 100, TimeLimits.NONE);
    Generation waits = submit(loop, 2, 10, 5, queue(Duration.ofMillis(50)));
    HandDriven.drain(loop);

    assertThat(runs.await().choices().getFirst().tokenIds()).hasSize(100);
    assertThatThrownBy(waits::await)
        .isInstanceOfSatisfying(
            TimeLimitException.class, e -> assertThat(e.clock()).isEqualTo(TimeLimit.QUEUE));
    Account account = waits.account();
    assertThat(account.expired()).contains(TimeLimit.QUEUE);
    assertThat(account.queuedNanos()).isGreaterThanOrEqualTo(Duration.ofMillis(50).toNanos());
    assertThat(account.prefillNanos() + account.decodeNanos()).isZero();
    assertThat(loop.stats().timedOutInQueue()).isEqualTo(1);
    assertThat(loop.stats().prefillTokens()).isEqualTo(10);
  }

  @Test
  void timeInTheQueueIsNotTheEnginesTime() throws InterruptedException {
    StepLoop loop = loop(1, options(1));
    submit(loop, 1, 10, 200, TimeLimits.NONE);
    Generation waits =
        submit(loop, 2, 10, 5, new TimeLimits(NONE, NONE, Optional.of(Duration.ofMillis(400))));
    HandDriven.drain(loop);

    assertThat(waits.await().choices().getFirst().tokenIds()).hasSize(5);
    assertThat(waits.account().queuedNanos()).isGreaterThan(Duration.ofMillis(400).toNanos());
    assertThat(waits.account().expired()).isEmpty();
  }

  @Test
  void aPromptThatTakesTooLongFailsWithItsClock() {
    StepLoop loop = loop(1, options(1));
    Generation slow =
        submit(loop, 1, 250, 5, new TimeLimits(NONE, Optional.of(Duration.ofMillis(2)), NONE));
    HandDriven.drain(loop);

    assertThatThrownBy(slow::await)
        .isInstanceOfSatisfying(
            TimeLimitException.class, e -> assertThat(e.clock()).isEqualTo(TimeLimit.FIRST_TOKEN));
    assertThat(loop.stats().timedOutBeforeFirstToken()).isEqualTo(1);
    assertThat(loop.stats().heldBlocks()).isZero();
  }

  @Test
  void anAnswerThatTakesTooLongEndsWithWhatThereIs() throws InterruptedException {
    StepLoop loop = loop(1, options(1));
    Generation alone = submit(loop, 1, 10, 200, TimeLimits.NONE);
    HandDriven.drain(loop);
    Generation cut =
        submit(loop, 1, 10, 200, new TimeLimits(NONE, NONE, Optional.of(Duration.ofMillis(300))));
    HandDriven.drain(loop);

    Completion.Choice choice = cut.await().choices().getFirst();
    assertThat(choice.reason()).isEqualTo(FinishReason.TIMEOUT);
    assertThat(cut.account().expired()).contains(TimeLimit.TOTAL);
    int read = choice.tokenIds().length;
    assertThat(read).isBetween(1, 199);
    assertThat(choice.tokens())
        .isEqualTo(alone.await().choices().getFirst().tokens().subList(0, read));
  }

  @Test
  void whatOthersPromptsAddToAStepIsNotCharged() throws InterruptedException {
    LoopOptions options =
        LoopOptions.of(1, 4, 100, MAX_LENGTH, true, PlanLimits.withStepTokens(256));
    StepLoop loop = model.loop(options, 4 * MAX_LENGTH / 64);
    Generation decodes = submit(loop, 1, 5, 60, TimeLimits.NONE);
    for (int i = 0; i < 5; i++) {
      loop.step();
    }
    assertThat(decodes.account().stalledNanos()).isZero();
    submit(loop, 2, 250, 1, TimeLimits.NONE);
    HandDriven.drain(loop);

    assertThat(decodes.account().stalledNanos()).isPositive();
    assertThat(decodes.await().choices().getFirst().tokenIds()).hasSize(60);
  }

  @Test
  void aRequestThatWouldWaitTooLongIsRefusedAndToldWhenToComeAgain() {
    LoopOptions options = options(1).withTimes(TimeLimits.NONE, Duration.ofSeconds(2).toNanos(), 0);
    StepLoop loop = model.loop(options, MAX_LENGTH / 64); // a token takes a millisecond
    submit(loop, 0, 200, 5, TimeLimits.NONE);
    loop.step();

    List<OverloadedException> refusals = new ArrayList<>();
    int taken = 0;
    for (int i = 1; i < 50 && refusals.isEmpty(); i++) {
      try {
        submit(loop, i, 200, 5, TimeLimits.NONE);
        taken++;
      } catch (OverloadedException e) {
        refusals.add(e);
      }
    }

    assertThat(taken).isBetween(3, 12); // about 2 s of prompts of 0.2 s
    assertThat(refusals).hasSize(1);
    assertThat(refusals.getFirst().retryAfterSeconds()).isBetween(1, 5);
    HandDriven.drain(loop);
    assertThat(List.of(loop.stats().running(), loop.stats().waiting())).containsOnly(0);
    submit(loop, 99, 200, 5, TimeLimits.NONE);
    HandDriven.drain(loop);
  }
}
