package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.simulate.Draw;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Who is predicted to wait for longer than anyone should: refused for now if it is others that it
 * would wait for, and for good if it is its own prompt. On a device whose steps take 3 ms, and a
 * millisecond for each token.
 */
class RefusedForTimeTest {
  private static final int VOCABULARY = 100;
  private static final int LONGEST = 2048;
  private static final int SLOTS = 4;
  private static final StepCost COST = new StepCost(3e6, 1e6, 0, 0);
  private static final long COPY_NANOS = 1_000_000;
  private static final long LIMIT = Duration.ofMillis(100).toNanos();
  private static final Pattern TIMES =
      Pattern.compile("predicted to take ([0-9.]+) s .*the limit of ([0-9.]+) s");

  private static StepLoop loop(long limitNanos) {
    VirtualClock clock = new VirtualClock();
    SimulatedDevice device =
        new SimulatedDevice("simulated", clock, COST, 0, 0, COPY_NANOS, Draw.uniform(VOCABULARY));
    PlanLimits limits = PlanLimits.withStepTokens(LONGEST);
    var transformer = SimulatedModel.on(device, VOCABULARY, LONGEST, limits.stepTokens(), SLOTS);
    var arena = device.allocateKv(transformer.kvShape(), SLOTS * LONGEST / KvShape.BLOCK_TOKENS);
    StepLoop loop =
        new StepLoop(
            List.of(new DeviceModel(device, transformer, arena, new CostModel())),
            null,
            new int[0],
            LoopOptions.of(1, SLOTS, 1000, LONGEST, true, limits)
                .withTimes(TimeLimits.NONE, limitNanos, 0),
            clock);
    loop.calibrate(Duration.ofHours(1));
    return loop;
  }

  private static int[] prompt(long seed, int length) {
    return new Random(seed).ints(length, 0, VOCABULARY).toArray();
  }

  private static void submit(StepLoop loop, int[] prompt, int outputs) {
    Sampling sampling = Sampling.builder().maxTokens(outputs).ignoreEos(true).build();
    loop.submit(Request.of(Prompt.of(prompt), sampling), prompt);
  }

  @Test
  void aPromptThatAloneTakesTooLongIsRefusedForGood() {
    StepLoop loop = loop(LIMIT);
    assertThatThrownBy(() -> submit(loop, prompt(1, 200), 1))
        .isInstanceOfSatisfying(
            InvalidRequestException.class, e -> assertThat(e.parameter()).isEqualTo("prompt"))
        .hasMessageContainingAll(
            "predicted to take 0.21 s even with nothing else to do",
            "0 of its 200 tokens are cached",
            "limit of 0.1 s (--max-queue-time)",
            "shorten the prompt",
            "serve with a higher limit");
    assertThat(loop.stats().rejected()).isEqualTo(1);
    submit(loop, prompt(1, 90), 1);
    HandDriven.drain(loop);
    assertThat(loop.stats().prefillTokens()).isEqualTo(90);
  }

  @Test
  void aPromptThatOnlyOthersHoldUpMayComeAgain() {
    StepLoop loop = loop(LIMIT);
    for (int stream = 0; stream < SLOTS - 1; stream++) {
      submit(loop, prompt(stream, 1), 50);
    }
    for (int i = 0; i < 20; i++) {
      loop.step();
    }
    assertThat(loop.stats().decodeTokens()).as("they decode").isPositive();
    int[] prompt = prompt(9, 90);
    assertThatThrownBy(() -> submit(loop, prompt, 1))
        .isInstanceOfSatisfying(
            OverloadedException.class, e -> assertThat(e.retryAfterSeconds()).isPositive())
        .hasMessageContainingAll("with all that runs and waits", "limit of 0.1 s", "try again");
    assertThat(loop.stats().rejected()).isEqualTo(1);
    HandDriven.drain(loop);
    submit(loop, prompt, 1);
    HandDriven.drain(loop);
    assertThat(loop.stats().prefillTokens()).isEqualTo(90);
  }

  @Test
  void whatIsCachedOfAPromptIsNotCounted() {
    StepLoop loop = loop(LIMIT);
    int[] dialogue = prompt(1, 900);
    int turn = KvShape.BLOCK_TOKENS;
    for (int length = turn; length < dialogue.length; length += turn) {
      submit(loop, Arrays.copyOf(dialogue, length), 1);
      HandDriven.drain(loop);
    }
    assertThat(loop.stats().rejected()).isZero();
    int[] other = dialogue.clone();
    other[0] = (other[0] + 1) % VOCABULARY;
    assertThatThrownBy(() -> submit(loop, other, 1))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("0 of its 900 tokens are cached");
    int[] longer = Arrays.copyOf(dialogue, 1100);
    assertThatThrownBy(() -> submit(loop, longer, 1))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("896 of its 1100 tokens are cached");
  }

  @Test
  void aPredictionIsNeverShownAsTheLimitThatItIsBeyond() {
    Random random = new Random(1);
    int compared = 0;
    for (int i = 0; i < 60; i++) {
      int length = 10 + random.nextInt(1000);
      double truly = COST.fixedNanos() + length * COST.tokenNanos();
      long limit = (long) (truly * (1 - Math.pow(10, -random.nextDouble(5))));
      StepLoop loop = loop(limit);
      Throwable refusal = catchThrowable(() -> submit(loop, prompt(length, length), 1));
      if (refusal != null) { // the prediction may be a little less than the truth
        assertThat(refusal).isInstanceOf(InvalidRequestException.class);
        Matcher times = TIMES.matcher(String.valueOf(refusal.getMessage()));
        assertThat(times.find()).as(refusal.getMessage()).isTrue();
        assertThat(new BigDecimal(times.group(2)))
            .isEqualByComparingTo(BigDecimal.valueOf(limit, 9))
            .isLessThan(new BigDecimal(times.group(1)));
        compared++;
      }
    }
    assertThat(compared).isGreaterThan(20);
  }

  @Test
  void anEnginesOwnThreadIsAskedWhatIsCached(@TempDir Path folder) throws InterruptedException {
    EngineOptions options =
        EngineOptions.of(TinyModel.write(folder, DType.F32, 1))
            .withDevice(new DeviceChoice.Reference())
            .withMaxQueueTime(Duration.ofNanos(1));
    try (Engine engine = Engine.open(options)) {
      Request request = Request.of(Prompt.of(prompt(1, 100)), Sampling.greedy(1));
      assertThatThrownBy(() -> engine.submit(request))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("0 of its 100 tokens are cached");
    }
  }
}
