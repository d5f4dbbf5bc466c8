package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.StepRecord;
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
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Conversations that have had their first turns one after the other, streams that decode, and then
 * all second turns at the same moment: the real step loop on simulated devices in virtual time.
 */
final class SimulatedBurst {
  static final int TURNS = 64;
  static final int STREAMS = 8;

  /** Prompts that are shorter do not count as long ones that are in progress. */
  static final int LONG_PROMPT = 1024;

  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int SLOTS = TURNS + STREAMS;
  private static final int STEP_TOKENS = 2048;

  /** A block of some megabytes over a link of some tens of gigabytes per second. */
  static final long BLOCK_NANOS = 200_000;

  /** First turns come so far apart on average that a few of them run at a time. */
  private static final double MEAN_GAP_NANOS = 50e6;

  private static final int STREAM_PROMPT = 100;

  /** Longer than any burst takes. */
  private static final int STREAM_LENGTH = 6_000;

  /** Steps of the streams alone before the burst: their pace is known then. */
  private static final int STEPS_BEFORE = 200;

  /** More rounds than any burst takes. */
  private static final int MAX_ROUNDS = 100_000;

  private static final int TENANTS = 8;

  /**
   * What is drawn.
   *
   * @param room KV blocks, as a part of what all turns need to their ends beside the streams
   * @param said the most tokens of a first prompt, at least a fifth of it
   * @param added the most tokens that a turn adds to what was said, at least a quarter of it
   * @param answered the most tokens of a second answer, at least a sixteenth of it
   */
  record Shape(
      int devices,
      int shards,
      double room,
      int said,
      int added,
      int answered,
      Scheduling scheduling) {}

  /** A session with its two turns. */
  static final class Conversation {
    final String id;
    final int[] firstPrompt;
    final int firstOutputs;
    final int added;
    final int outputs;
    final Terms terms;
    private @Nullable Sequence first;
    private @Nullable Sequence second;
    long firstTokenNanos = -1;

    /** Of its context, tokens that lay on a device when the burst came. */
    int resident;

    Conversation(int number, SplittableRandom random, Shape shape) {
      id = "session " + number;
      int prompt = random.nextInt(shape.said / 5, shape.said);
      firstPrompt = random.ints(prompt, 0, SimulatedWorld.VOCABULARY).toArray();
      firstOutputs = random.nextInt(8, 64);
      added = random.nextInt(shape.added / 4, shape.added);
      outputs = random.nextInt(shape.answered / 16, shape.answered);
      Terms own = Terms.DEFAULT.withSession(id);
      terms = random.nextBoolean() ? own : own.withTenant("tenant " + random.nextInt(TENANTS));
    }

    private int said() {
      return firstPrompt.length + firstOutputs;
    }

    /** Tokens of the first turn that fill blocks; the last one that it drew it never computed. */
    int known() {
      return (said() - 1) / B * B;
    }

    /** Tokens of the second prompt. */
    int length() {
      return said() + added;
    }

    private int mostBlocks() {
      return Sequence.blocksFor(length() + outputs);
    }

    /** The second turn, once it has come. */
    Sequence turn() {
      return Objects.requireNonNull(second);
    }
  }

  final VirtualClock clock = new VirtualClock();
  final List<Conversation> conversations = new ArrayList<>();
  final List<Sequence> streams = new ArrayList<>();
  final StepLoop loop;
  final Shape shape;

  /** Steps since the burst came, in the order in which they ended. */
  final List<StepRecord> steps = new ArrayList<>();

  long burstNanos;

  /** Prompt tokens that were computed since the burst came. */
  long prefilled;

  /** Tokens that the streams drew from then on until all turns had ended. */
  final int[] streamed = new int[STREAMS];

  /** The most long prompts that were in progress on a device at the same time. */
  int mostInProgress;

  private final SplittableRandom random;
  private int rounds;
  private long lastStep = -1;

  SimulatedBurst(long seed, Shape shape) {
    this.shape = shape;
    random = new SplittableRandom(seed);
    int blocks = 0;
    int longest = 0;
    for (int i = 0; i < TURNS; i++) {
      Conversation one = new Conversation(i, random, shape);
      conversations.add(one);
      blocks += one.mostBlocks();
      longest = Math.max(longest, one.mostBlocks());
    }
    blocks = (int) (blocks * shape.room) + STREAMS * Sequence.blocksFor(STREAM_LENGTH);
    int perShard = Math.max(blocks / shape.shards, longest);
    int maxLength = Math.max(STREAM_LENGTH, longest * B);
    List<DeviceModel> models = new ArrayList<>();
    for (int number = 0; number < shape.devices; number++) {
      SimulatedDevice device =
          new SimulatedDevice(
              "simulated " + number,
              clock,
              StepCost.GPU,
              0,
              seed,
              BLOCK_NANOS,
              Draw.uniform(SimulatedWorld.VOCABULARY));
      var transformer =
          SimulatedModel.on(device, SimulatedWorld.VOCABULARY, maxLength, STEP_TOKENS, SLOTS);
      int deviceBlocks = perShard * shape.shards / shape.devices;
      models.add(
          new DeviceModel(
              device,
              transformer,
              device.allocateKv(transformer.kvShape(), deviceBlocks),
              new CostModel()));
    }
    PlanLimits limits = PlanLimits.of(STEP_TOKENS, shape.scheduling);
    loop =
        new StepLoop(
            models,
            null,
            new int[0],
            LoopOptions.of(shape.shards, SLOTS, TURNS, maxLength, true, limits),
            clock);
  }

  /** Everything, from the first turn to the last token. */
  void run() {
    firstTurns();
    startStreams();
    secondTurns();
    for (Sequence stream : streams) {
      assertThat(stream.log.ending()).as("the end of a stream before that of the burst").isNull();
      loop.cancel(stream);
    }
    finish();
  }

  /** The device that a sequence runs on, or ran on last. */
  int device(Sequence sequence) {
    return loop.shards().device(sequence.shard);
  }

  private Sequence submit(int[] prompt, int outputs, Terms terms) {
    Sampling sampling =
        Sampling.builder().seed(random.nextLong()).maxTokens(outputs).ignoreEos(true).build();
    Request request = new Request(Prompt.of(prompt), sampling, 1, true, terms);
    return ((StepLoopGeneration) loop.submit(request, prompt)).job().sequences()[0];
  }

  private boolean step() {
    assertThat(++rounds).as("rounds").isLessThan(MAX_ROUNDS);
    return loop.step();
  }

  private void finish() {
    boolean busy = true;
    while (busy) {
      busy = step();
    }
  }

  private void firstTurns() {
    for (Conversation one : conversations) {
      one.first = submit(one.firstPrompt, one.firstOutputs, one.terms);
      long next = clock.nanos() + (long) (-Math.log(1 - random.nextDouble()) * MEAN_GAP_NANOS);
      boolean busy = true;
      while (busy && clock.nanos() < next) {
        busy = step();
      }
      clock.advanceTo(next);
    }
    finish();
  }

  private void startStreams() {
    for (int i = 0; i < STREAMS; i++) {
      int[] prompt = random.ints(STREAM_PROMPT, 0, SimulatedWorld.VOCABULARY).toArray();
      streams.add(submit(prompt, STREAM_LENGTH - STREAM_PROMPT, Terms.DEFAULT));
    }
    for (int i = 0; i < STEPS_BEFORE; i++) {
      step();
    }
  }

  private void secondTurns() {
    lastStep = loop.stats().steps() - 1;
    long prefilledBefore = loop.stats().prefillTokens();
    for (int i = 0; i < STREAMS; i++) {
      streamed[i] = -streams.get(i).length();
    }
    burstNanos = clock.nanos();
    Map<String, Integer> resident =
        loop.sessionStore().list(0, TURNS, burstNanos).stream()
            .collect(Collectors.toMap(SessionInfo::id, SessionInfo::deviceTokens));
    for (Conversation one : conversations) {
      one.resident = resident.getOrDefault(one.id, 0);
      int[] prompt = Arrays.copyOf(Objects.requireNonNull(one.first).tokens(), one.length());
      for (int i = one.said(); i < prompt.length; i++) {
        prompt[i] = random.nextInt(SimulatedWorld.VOCABULARY);
      }
      one.second = submit(prompt, one.outputs, one.terms);
    }
    while (!look()) {
      step();
      for (StepRecord step : loop.steps(lastStep)) {
        steps.add(step);
        lastStep = step.number();
      }
    }
    prefilled = loop.stats().prefillTokens() - prefilledBefore;
    for (int i = 0; i < STREAMS; i++) {
      streamed[i] += streams.get(i).length();
    }
  }

  /** Notes who has its first token and who is in progress; whether all have ended. */
  private boolean look() {
    boolean all = true;
    int[] inProgress = new int[shape.devices];
    for (Conversation one : conversations) {
      Sequence turn = one.turn();
      if (one.firstTokenNanos < 0 && turn.length() > one.length()) {
        one.firstTokenNanos = clock.nanos();
      }
      all &= turn.log.ending() != null;
      boolean begun = turn.runs() && turn.computed > turn.admittedWith;
      if (begun && turn.pending() > LONG_PROMPT) {
        mostInProgress = Math.max(mostInProgress, ++inProgress[device(turn)]);
      }
    }
    return all;
  }
}
