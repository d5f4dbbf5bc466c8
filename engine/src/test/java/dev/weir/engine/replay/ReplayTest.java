package dev.weir.engine.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.run.JournalException;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run on a small model is written down, and everything is made of it that can be. */
class ReplayTest {
  private static final int REQUESTS = 24;
  private static final int SLOTS = 8;
  private static final int SHARDS = 2;
  private static final int LONG_PROMPT = 1500;

  /** Far longer than a request takes here. */
  private static final Duration APART = Duration.ofMillis(400);

  @TempDir static Path folder;
  private static Path model;
  private static Path file;
  private static JournalFile journal;

  @BeforeAll
  static void writeARunDown() throws InterruptedException {
    model = TinyModel.write(folder.resolve("model"), DType.F32, 1);
    file = folder.resolve("run.journal");
    try (Engine engine = Engine.open(options().withJournal(file))) {
      List<Generation> running = new ArrayList<>();
      Random random = new Random(7);
      for (int i = 0; i < REQUESTS; i++) {
        running.add(engine.submit(request(i, random)));
      }
      running.get(3).next();
      running.get(3).cancel();
      for (Generation generation : running) {
        generation.await();
      }
    }
    journal = JournalFile.read(file);
  }

  private static EngineOptions options() {
    DeviceChoice device =
        CpuDevice.unavailable().isEmpty() ? new DeviceChoice.Cpu() : new DeviceChoice.Reference();
    return EngineOptions.of(model)
        .withDevice(device)
        .withThreads(1)
        .withSlots(SLOTS)
        .withShards(SHARDS)
        .withKvBytes(8L << 20);
  }

  private static Request request(int number, Random random) {
    int length = number % 8 == 5 ? LONG_PROMPT : 1 + random.nextInt(60);
    int[] prompt = random.ints(length, 0, TinyModel.END).toArray();
    Sampling.Builder sampling =
        Sampling.builder().temperature(number % 3).maxTokens(20 + random.nextInt(60));
    if (number % 4 == 0) {
      sampling.stopStrings(List.of("e")).repetitionPenalty(1.1f);
    }
    Request request = new Request(Prompt.of(prompt), sampling.build(), 1 + number % 3, true);
    return number % 5 == 0
        ? request.withTerms(Terms.DEFAULT.withSession("s" + number).withPriority(2))
        : request;
  }

  private static Replay.Result replay(JournalFile recorded) throws InterruptedException {
    try (Engine engine = Engine.open(options().withShards(1))) {
      return Replay.run(recorded, engine, SLOTS, false);
    }
  }

  @Test
  void aJournalHasEveryArrivalStepAndEnd() {
    assertThat(journal.closed()).isTrue();
    assertThat(journal.missing()).isZero();
    assertThat(journal.arrivals()).hasSize(REQUESTS);
    int choices = journal.arrivals().stream().mapToInt(it -> it.request().choices()).sum();
    assertThat(journal.ends()).hasSize(choices);
    assertThat(journal.ends())
        .as("the cancelled request's")
        .filteredOn(end -> end.request() == 3)
        .isNotEmpty();
    long drawn =
        journal.steps().stream()
            .flatMap(step -> step.entries().stream())
            .filter(JournalRecord.Entry::drew)
            .count();
    assertThat(drawn).isEqualTo(journal.ends().stream().mapToLong(it -> it.output().length).sum());
    for (JournalRecord.Step step : journal.steps()) {
      assertThat(step.entries().stream().mapToInt(JournalRecord.Entry::length).sum())
          .isEqualTo(step.tokens());
    }
  }

  @Test
  void aRunIsRepeatedBitForBitWithOtherShards() throws InterruptedException {
    Replay.Result result = replay(journal);
    assertThat(result.difference()).isEmpty();
    assertThat(result.choices()).isPositive();
    assertThat(result.choices() + result.left()).isEqualTo(journal.ends().size());
    assertThat(result.tokens()).isGreaterThan(500);
  }

  @Test
  void aTamperedTokenIsFound() throws InterruptedException {
    List<JournalRecord.End> ends = new ArrayList<>(journal.ends());
    int victim = ends.size() / 2;
    JournalRecord.End end = ends.get(victim);
    int[] output = end.output().clone();
    int at = output.length / 2;
    output[at] = (output[at] + 1) % TinyModel.END;
    ends.set(
        victim,
        new JournalRecord.End(end.request(), end.choice(), end.nanos(), end.reason(), output));

    Replay.Result result = replay(with(journal.arrivals(), journal.placements(), ends));
    assertThat(result.difference())
        .hasValue(
            new Replay.Difference(end.request(), end.choice(), at, output[at], end.output()[at]));
  }

  /** The journal with some of its records changed. */
  private static JournalFile with(
      List<JournalRecord.Arrival> arrivals,
      List<JournalRecord.Placement> placements,
      List<JournalRecord.End> ends) {
    return new JournalFile(
        journal.header(), arrivals, placements, journal.steps(), ends, 0, true, Optional.empty());
  }

  @Test
  void everyChoiceThatRanWasPlacedWithAllOfItsTokens() {
    assertThat(journal.placements())
        .extracting(JournalRecord.Placement::request)
        .containsAll(journal.arrivals().stream().map(JournalRecord.Arrival::number).toList());
    for (JournalRecord.Placement placement : journal.placements()) {
      Request request = journal.arrivals().get((int) placement.request()).request();
      assertThat(placement.shard()).isBetween(0, SHARDS - 1);
      assertThat(placement.copied() + placement.restored()).as("on one device").isZero();
      assertThat(placement.shared() + placement.recomputed())
          .isEqualTo(((Prompt.Tokens) request.prompt()).ids().length);
    }
    assertThat(journal.placements())
        .as("choices of a long prompt share it")
        .filteredOn(placement -> placement.choice() > 0 && placement.shared() > LONG_PROMPT / 2)
        .isNotEmpty();
  }

  @Test
  void aRunThatIsRepeatedInTurnSharesAndComputesTheSame() throws InterruptedException {
    Path alone = folder.resolve("alone.journal");
    try (Engine engine = Engine.open(options().withJournal(alone))) {
      Random random = new Random(11);
      for (int i = 0; i < SLOTS; i++) {
        engine.submit(request(i, random)).await();
      }
    }
    JournalFile inTurn = JournalFile.read(alone);
    Replay.Placed placed;
    try (Engine engine = Engine.open(options())) {
      placed = Replay.run(inTurn, engine, 1, false).placed();
    }
    assertThat(placed.requests()).isEqualTo(SLOTS);
    assertThat(placed.replayed()).isEqualTo(placed.recorded());

    JournalRecord.Placement there = inTurn.placements().getFirst();
    List<JournalRecord.Placement> elsewhere = new ArrayList<>(inTurn.placements());
    elsewhere.set(
        0,
        new JournalRecord.Placement(
            there.request(), 0, there.nanos(), there.shard() + 1, 0, 0, 0, there.recomputed()));
    JournalFile moved =
        new JournalFile(
            inTurn.header(),
            inTurn.arrivals(),
            elsewhere,
            inTurn.steps(),
            inTurn.ends(),
            0,
            true,
            Optional.empty());
    try (Engine engine = Engine.open(options())) {
      placed = Replay.run(moved, engine, 1, false).placed();
    }
    assertThat(placed.elsewhere()).isOne();
    assertThat(placed.first())
        .hasValue(new Replay.Moved(there.request(), there.shard() + 1, there.shard()));
  }

  @Test
  void withTimesNoRequestIsAskedBeforeItsTime() throws InterruptedException {
    List<JournalRecord.Arrival> apart = new ArrayList<>();
    for (JournalRecord.Arrival arrival : journal.arrivals().subList(0, 4)) {
      long nanos = APART.multipliedBy(apart.size()).toNanos();
      apart.add(new JournalRecord.Arrival(arrival.number(), 12_345 + nanos, arrival.request()));
    }
    Replay.Result result;
    long began = System.nanoTime();
    try (Engine engine = Engine.open(options())) {
      result = Replay.run(with(apart, journal.placements(), journal.ends()), engine, SLOTS, true);
    }
    assertThat(System.nanoTime() - began).isGreaterThan(APART.multipliedBy(3).toNanos());
    assertThat(result.difference()).isEmpty();
    assertThat(result.choices() + result.left())
        .isEqualTo(apart.stream().mapToInt(it -> it.request().choices()).sum());
  }

  @Test
  void theSameArrivalsUnderAnotherPolicyHaveOtherGaps() {
    Replan replan = new Replan(journal);
    Latencies recorded = replan.recorded().latencies();
    Latencies kept = replan.simulated(Scheduling.DEFAULT, 2, 1).latencies();
    Latencies collapsed =
        replan
            .simulated(Scheduling.DEFAULT.withPolicy(new Policy.PrefillFirst()), 2, 1)
            .latencies();

    assertThat(recorded.firstToken()).hasSize(REQUESTS);
    assertThat(kept.firstToken()).hasSize(REQUESTS);
    // What was cancelled before its first token has one in a simulation.
    assertThat(kept.betweenTokens().length)
        .isCloseTo(recorded.betweenTokens().length, within(REQUESTS));
    assertThat(worst(kept)).isPositive();
    assertThat(worst(collapsed)).isGreaterThan(worst(kept));
    assertThat(Latencies.quantile(kept.betweenTokens(), 0.5)).isPositive();
  }

  @Test
  void theSameSimulationTwiceIsTheSame() {
    Replan replan = new Replan(journal);
    Latencies one = replan.simulated(Scheduling.DEFAULT, 2, 1).latencies();
    Latencies two = replan.simulated(Scheduling.DEFAULT, 2, 1).latencies();
    assertThat(two.betweenTokens()).isEqualTo(one.betweenTokens());
    assertThat(two.firstToken()).isEqualTo(one.firstToken());
  }

  @Test
  void twoDevicesAreDoneSooner() {
    Replan replan = new Replan(journal);
    assertThat(replan.simulated(Scheduling.DEFAULT, 2, 2).latencies().lastsNanos())
        .isLessThan(replan.simulated(Scheduling.DEFAULT, 2, 1).latencies().lastsNanos());
  }

  private static long worst(Latencies latencies) {
    return Latencies.quantile(latencies.betweenTokens(), 1);
  }

  @Test
  void aForeignFileIsAnErrorThatSaysSo() throws IOException {
    Path foreign = folder.resolve("foreign");
    for (String text : List.of("", "hello\n", "{\"type\":\"step\"}\n", "{}\n", "[1]\n", "7\n")) {
      Files.writeString(foreign, text);
      assertThatThrownBy(() -> JournalFile.read(foreign))
          .as(text)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining(foreign.toString());
    }
    assertThatThrownBy(() -> JournalFile.read(folder.resolve("nothing")))
        .isInstanceOf(JournalException.class);
    assertThatThrownBy(() -> JournalFile.read(model.resolve("model.safetensors")))
        .isInstanceOf(JournalException.class);
  }

  @Test
  void aJournalNeverWritesOverAFile() {
    assertThatThrownBy(() -> Engine.open(options().withJournal(file)))
        .hasMessageContaining("is there already");
  }
}
