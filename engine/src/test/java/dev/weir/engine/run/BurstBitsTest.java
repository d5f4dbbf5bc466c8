package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The second turns of several sessions come at the same moment, beside streams, in pools with and
 * without room for all: computed by real kernels, each has the bits of its lone run.
 */
@Timeout(120)
class BurstBitsTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int SESSIONS = 16;
  private static final int STREAMS = 2;
  private static final int SLOTS = SESSIONS + STREAMS;
  private static final int MAX_LENGTH = 6 * B;
  private static final int MAX_STEPS = 10_000;

  /** Of a prompt, and of the tokens that a turn adds. */
  private static final int SHORTEST_PROMPT = B;

  private static final int LONGEST_PROMPT = 3 * B;
  private static final int MOST_ADDED = B;

  @TempDir static Path folder;
  private static HandDriven model;
  private static final List<Run> firsts = new ArrayList<>();
  private static final List<Run> seconds = new ArrayList<>();
  private static final List<Run> streams = new ArrayList<>();

  /** A request, and what it gives by itself. */
  private record Run(Request request, int[] prompt, List<Completion.Choice> alone) {
    Generation submit(StepLoop loop) {
      return loop.submit(request, prompt);
    }
  }

  @BeforeAll
  static void load() throws InterruptedException {
    TinyModel.write(folder, DType.F32, 1);
    model = new HandDriven(folder, HandDriven.fastest(), HandDriven.fastest());
    StepLoop lone = model.loop(1, MAX_LENGTH / B, MAX_LENGTH, false, HandDriven.STEP_TOKENS);
    Random random = new Random(2026);
    for (int i = 0; i < SESSIONS; i++) {
      int[] prompt = tokens(random, random.nextInt(SHORTEST_PROMPT, LONGEST_PROMPT));
      Terms terms = Terms.DEFAULT.withSession("session " + i);
      terms = i % 2 == 0 ? terms.withTenant("tenant " + i % 4) : terms;
      Run first = run(lone, prompt, 8, i, terms);
      firsts.add(first);
      int[] said = first.alone.getFirst().tokenIds();
      int[] added = tokens(random, random.nextInt(1, MOST_ADDED));
      int[] next =
          IntStream.concat(
                  IntStream.concat(IntStream.of(prompt), IntStream.of(said)), IntStream.of(added))
              .toArray();
      seconds.add(run(lone, next, random.nextInt(1, B), i, terms));
    }
    for (int i = 0; i < STREAMS; i++) {
      streams.add(run(lone, tokens(random, 10), MAX_LENGTH - B, -1 - i, Terms.DEFAULT));
    }
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static int[] tokens(Random random, int count) {
    return random.ints(count, 0, TinyModel.VOCABULARY).toArray();
  }

  private static Run run(StepLoop lone, int[] prompt, int outputs, long seed, Terms terms)
      throws InterruptedException {
    Sampling sampling =
        Sampling.builder()
            .seed(seed)
            .temperature(1)
            .maxTokens(outputs)
            .ignoreEos(true)
            .logprobs(2)
            .build();
    Request request = new Request(Prompt.of(prompt), sampling, 1, true, terms);
    return new Run(request, prompt, HandDriven.alone(lone, request, prompt).choices());
  }

  @ParameterizedTest(name = "{0} device(s), {1} shard(s), {2} KV blocks")
  @CsvSource({
    "1, 1, 120", "1, 2, 120", "1, 4, 120", "1, 8, 160", "2, 2, 120", "2, 8, 160",
    "1, 1, 30", "1, 2, 30", "1, 4, 30", "1, 8, 48", "2, 2, 30", "2, 8, 48",
  })
  void everyTurnOfABurstHasTheBitsOfItsLoneRun(int devices, int shards, int blocks)
      throws InterruptedException {
    LoopOptions options =
        LoopOptions.of(shards, SLOTS, 64, MAX_LENGTH, true, PlanLimits.withStepTokens(128));
    int[] perDevice = IntStream.range(0, devices).map(device -> blocks / devices).toArray();
    StepLoop loop = model.loop(options, perDevice);
    boolean scarce = blocks < SESSIONS * 5;

    List<Generation> first = new ArrayList<>();
    for (Run run : firsts) {
      first.add(run.submit(loop));
      HandDriven.drain(loop);
    }
    List<Generation> streaming = streams.stream().map(run -> run.submit(loop)).toList();
    loop.step();
    loop.step();
    List<Generation> second = seconds.stream().map(run -> run.submit(loop)).toList();
    int steps = 0;
    while (loop.step()) {
      assertThat(loop.shards().consistent()).isTrue();
      assertThat(++steps).as("steps").isLessThan(MAX_STEPS);
    }

    for (int i = 0; i < SESSIONS; i++) {
      assertThat(first.get(i).await().choices()).isEqualTo(firsts.get(i).alone);
      assertThat(second.get(i).await().choices()).isEqualTo(seconds.get(i).alone);
    }
    for (int i = 0; i < STREAMS; i++) {
      assertThat(streaming.get(i).await().choices()).isEqualTo(streams.get(i).alone);
    }
    assertThat(loop.stats().evictedTokens() > 0).as("contexts were given away").isEqualTo(scarce);
    assertThat(loop.shards().held()).isZero();
  }
}
