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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run on a small model is written down, and everything is made of it that can be. */
class ReplayTest {
  private static final int REQUESTS = 24;
  private static final int SLOTS = 8;
  private static final int LONG_PROMPT = 1500;

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
        .withShards(2)
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
    JournalFile tampered =
        new JournalFile(
            journal.header(), journal.arrivals(), journal.steps(), ends, 0, journal.closed());

    Replay.Result result = replay(tampered);
    assertThat(result.difference())
        .hasValue(
            new Replay.Difference(end.request(), end.choice(), at, output[at], end.output()[at]));
  }

  @Test
  void theSameArrivalsUnderAnotherPolicyHaveOtherGaps() {
    Replan replan = new Replan(journal);
    Latencies recorded = replan.recorded();
    Latencies kept = replan.simulated(Scheduling.DEFAULT, 2, 1);
    Latencies collapsed =
        replan.simulated(Scheduling.DEFAULT.withPolicy(new Policy.PrefillFirst()), 2, 1);

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
    Latencies one = replan.simulated(Scheduling.DEFAULT, 2, 1);
    Latencies two = replan.simulated(Scheduling.DEFAULT, 2, 1);
    assertThat(two.betweenTokens()).isEqualTo(one.betweenTokens());
    assertThat(two.firstToken()).isEqualTo(one.firstToken());
  }

  @Test
  void twoDevicesAreDoneSooner() {
    Replan replan = new Replan(journal);
    assertThat(replan.simulated(Scheduling.DEFAULT, 2, 2).lastsNanos())
        .isLessThan(replan.simulated(Scheduling.DEFAULT, 2, 1).lastsNanos());
  }

  private static long worst(Latencies latencies) {
    return Latencies.quantile(latencies.betweenTokens(), 1);
  }

  @Test
  void aFileThatIsCutOffIsAnErrorThatNamesTheLine() throws IOException {
    String text = Files.readString(file);
    Path cut = folder.resolve("cut.journal");
    Files.writeString(cut, text.substring(0, text.length() / 2 - 1));
    long line = Files.readString(cut).lines().count();
    assertThatThrownBy(() -> JournalFile.read(cut))
        .isInstanceOf(JournalException.class)
        .hasMessageContaining("line " + line)
        .hasMessageContaining("cut off");
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
