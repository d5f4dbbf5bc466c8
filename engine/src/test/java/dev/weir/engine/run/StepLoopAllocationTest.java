package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.sun.management.ThreadMXBean;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.cpu.CpuDevice;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The step thread makes no garbage: nothing of the engine's can make a step wait for a collection.
 */
class StepLoopAllocationTest {
  private static final int SEQUENCES = 8;

  /** Enough for the compiler to have seen every path. */
  private static final int WARM_UP = 900;

  /** Longer than a block: every sequence fills one in every round. */
  private static final int ROUND = 100;

  /**
   * The JVM itself allocates a few hundred bytes on a thread whose code it replaces, at moments of
   * its own; what steps allocate would be in every round.
   */
  private static final int ROUNDS = 8;

  private static final int OUTPUTS = WARM_UP + ROUNDS * ROUND + 100;

  @TempDir Path folder;

  @Test
  void aStepOfManySequencesWithPenaltiesAndLogprobsAllocatesNothing() throws InterruptedException {
    assertNoGarbage(CpuDevice::open, i -> sampling(i).build());
  }

  @Test
  void aStepThatIsLaunchedBeforeTheLastOneIsDoneAllocatesNothing() throws InterruptedException {
    assertNoGarbage(
        threads -> new LateDevice(CpuDevice.open(threads)),
        i -> sampling(i).repetitionPenalty(1).frequencyPenalty(0).build());
  }

  @Test
  void aStepThatAwaitsTheLastOneForItsPenaltiesAllocatesNothing() throws InterruptedException {
    assertNoGarbage(threads -> new LateDevice(CpuDevice.open(threads)), i -> sampling(i).build());
  }

  @Test
  void aStepThatIsWrittenDownAllocatesNothing() throws InterruptedException {
    List<JournalRecord.Step> written = new ArrayList<>();
    Journal journal =
        new Journal(
            record -> {
              if (record instanceof JournalRecord.Step step) {
                written.add(step);
              }
            });
    assertNoGarbage(CpuDevice::open, i -> sampling(i).build(), Optional.of(journal));
    assertThat(written).hasSizeGreaterThan(WARM_UP);
    assertThat(written.getLast().entries()).hasSize(SEQUENCES);
  }

  private void assertNoGarbage(IntFunction<Device> device, IntFunction<Sampling> sampling)
      throws InterruptedException {
    assertNoGarbage(device, sampling, Optional.empty());
  }

  private void assertNoGarbage(
      IntFunction<Device> device, IntFunction<Sampling> sampling, Optional<Journal> journal)
      throws InterruptedException {
    assumeThat(CpuDevice.unavailable()).as("skipped: no C kernels here").isEmpty();
    assumeThat(ManagementFactory.getThreadMXBean())
        .as("skipped: this JVM does not count allocations")
        .isInstanceOf(ThreadMXBean.class);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Path path = TinyModel.write(folder, DType.BF16, 1);
    try (HandDriven model = new HandDriven(path, device.apply(1))) {
      StepLoop loop = model.roomy(SEQUENCES);
      journal.ifPresent(loop::writeTo);
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < SEQUENCES; i++) {
        int[] prompt = new Random(i).ints(30 + 7 * i, 0, TinyModel.VOCABULARY).toArray();
        generations.add(loop.submit(Request.of(Prompt.of(prompt), sampling.apply(i)), prompt));
      }
      for (int step = 0; step < WARM_UP; step++) {
        loop.step();
        threads.getCurrentThreadAllocatedBytes(); // its own first call allocates
      }
      journal.ifPresent(Journal::drain); // as its own thread does: that one allocates
      long decoded = loop.stats().decodeTokens();
      long least = Long.MAX_VALUE;
      int rounds = 0;
      for (; rounds < ROUNDS && least > 0; rounds++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int step = 0; step < ROUND; step++) {
          loop.step();
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        journal.ifPresent(Journal::drain);
      }
      assertThat(loop.stats().decodeTokens() - decoded)
          .isEqualTo((long) rounds * ROUND * SEQUENCES);
      assertThat(least).as("bytes in the best of %d rounds", rounds).isZero();
      generations.forEach(Generation::cancel);
      HandDriven.drain(loop);
    }
  }

  private static Sampling.Builder sampling(int i) {
    Sampling.Builder sampling =
        Sampling.builder()
            .seed(i)
            .temperature(i % 3)
            .topK(i % 2 * 40)
            .maxTokens(OUTPUTS)
            .ignoreEos(true)
            .stopTokenIds(List.of(TinyModel.END))
            .minTokens(OUTPUTS)
            .logprobs(i % 2 == 0 ? 5 : Sampling.NO_LOGPROBS);
    if (i % 4 == 1) {
      sampling.repetitionPenalty(1.1f).frequencyPenalty(0.2f).logitBias(Map.of(3, 1f, 4, -2f));
    }
    return sampling;
  }
}
