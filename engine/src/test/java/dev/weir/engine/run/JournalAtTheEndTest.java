package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An engine that is closed in the midst of its work has written down how everything ended. */
class JournalAtTheEndTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int CONTEXT = 5 * B;
  private static final int BLOCKS = 64;

  @TempDir static Path folder;

  @BeforeAll
  static void aTinyModel() {
    TinyModel.write(folder.resolve("model"), DType.F32, 1);
  }

  private static int[] prompt(long seed, int length) {
    return new Random(seed).ints(length, 0, TinyModel.END).toArray();
  }

  private static Request request(int[] prompt, int choices, Terms terms) {
    Sampling sampling = Sampling.builder().maxTokens(1000).ignoreEos(true).build();
    return new Request(Prompt.of(prompt), sampling, choices, true).withTerms(terms);
  }

  private static void assertFailed(Generation generation) {
    assertThatThrownBy(generation::await).isInstanceOf(EngineClosedException.class);
  }

  @Test
  void whatRanWaitedWasCopiedOrWasNotTakenYetHasItsArrivalAndItsEnds() {
    List<JournalRecord> records = new ArrayList<>();
    List<Generation> generations = new ArrayList<>();
    try (HandDriven model =
        new HandDriven(
            folder.resolve("model"),
            new LateDevice(HandDriven.fastest()),
            new LateDevice(HandDriven.fastest()))) {
      LoopOptions options =
          LoopOptions.of(2, 2, 64, 20 * B, true, PlanLimits.withStepTokens(HandDriven.STEP_TOKENS));
      StepLoop loop = model.loop(options, BLOCKS, BLOCKS);
      Journal journal = new Journal(records::add);
      loop.writeTo(journal);
      int[] context = prompt(1, CONTEXT);
      Request first =
          Request.of(Prompt.of(context), Sampling.builder().maxTokens(1).build())
              .withTerms(Terms.DEFAULT.withShard(0));
      loop.submit(first, context);
      HandDriven.drain(loop);

      generations.add(submit(loop, prompt(2, 30), 1, 0)); // it and the next fill the first device
      generations.add(submit(loop, prompt(3, 30), 1, 0));
      for (int i = 0; i < 3; i++) {
        loop.step();
      }
      generations.add(submit(loop, prompt(4, 30), 2, 0)); // these two wait
      generations.add(submit(loop, prompt(5, 30), 1, 0));
      generations.add(submit(loop, context, 3, 1)); // its context lies on the other device
      Sequence moved = ((StepLoopGeneration) generations.getLast()).job().sequences()[0];
      for (int steps = 0; moved.move == null; steps++) {
        assertThat(steps).as("steps until a context is on its way").isLessThan(100);
        loop.step();
      }
      generations.add(submit(loop, prompt(6, 30), 4, 0)); // nobody looks any more
      assertThat(moved.move).isNotNull();
      assertThat(loop.stats().running()).isEqualTo(3);
      assertThat(loop.stats().waiting()).isEqualTo(2);

      assertThat(loop.close()).isTrue();
      journal.drain();
      generations.forEach(JournalAtTheEndTest::assertFailed);
      assertThat(loop.stats().heldBlocks()).isZero();
    }
    assertComplete(records, 1 + generations.size());
    assertThat(records)
        .filteredOn(JournalRecord.End.class::isInstance)
        .extracting(record -> ((JournalRecord.End) record).reason())
        .as("all but the first")
        .containsExactlyInAnyOrder(
            "LENGTH", "FAILED", "FAILED", "FAILED", "FAILED", "FAILED", "FAILED", "FAILED",
            "FAILED", "FAILED", "FAILED", "FAILED", "FAILED");
    assertThat(records)
        .filteredOn(JournalRecord.Placement.class::isInstance)
        .extracting(record -> ((JournalRecord.Placement) record).copied())
        .as("the last one's context was to be copied")
        .endsWith(CONTEXT - B);
  }

  private static Generation submit(StepLoop loop, int[] prompt, int choices, int shard) {
    return loop.submit(request(prompt, choices, Terms.DEFAULT.withShard(shard)), prompt);
  }

  /** Every choice of every request has its end. */
  private static void assertComplete(List<JournalRecord> records, int requests) {
    Map<Long, Integer> choices =
        records.stream()
            .filter(JournalRecord.Arrival.class::isInstance)
            .map(JournalRecord.Arrival.class::cast)
            .collect(
                Collectors.toMap(
                    JournalRecord.Arrival::number, arrival -> arrival.request().choices()));
    Map<Long, Integer> ends =
        records.stream()
            .filter(JournalRecord.End.class::isInstance)
            .map(JournalRecord.End.class::cast)
            .collect(Collectors.toMap(JournalRecord.End::request, end -> 1, Integer::sum));
    assertThat(choices).hasSize(requests);
    assertThat(ends).isEqualTo(choices);
  }

  @Test
  void theFileOfABusyEngineThatIsClosedIsComplete() {
    int requests = 40;
    Path file = folder.resolve("busy.journal");
    List<Generation> generations = new ArrayList<>();
    Engine engine =
        Engine.open(
            EngineOptions.of(folder.resolve("model"))
                .withDevice(new DeviceChoice.Reference())
                .withSlots(3)
                .withShards(2)
                .withJournal(file));
    try (engine) {
      for (int i = 0; i < requests; i++) {
        int[] prompt = prompt(i, 1 + 40 * (i % 5));
        generations.add(engine.submit(request(prompt, 1 + i % 2, Terms.DEFAULT)));
      }
    }
    generations.forEach(JournalAtTheEndTest::assertFailed);
    JournalFile journal = JournalFile.read(file);
    assertThat(journal.closed()).isTrue();
    assertThat(journal.cut()).isEmpty();
    List<JournalRecord> records = new ArrayList<>(journal.arrivals());
    records.addAll(journal.ends());
    assertComplete(records, requests);
    long drawn =
        journal.steps().stream()
            .flatMap(step -> step.entries().stream())
            .filter(JournalRecord.Entry::drew)
            .count();
    assertThat(drawn).isEqualTo(journal.ends().stream().mapToLong(it -> it.output().length).sum());
  }
}
