package dev.weir.emulator;

import static dev.weir.emulator.Gpu.DEFAULT_STREAM;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Nothing happens at the call: streams, events and copies keep exactly the order they promise. */
class AsynchronyTest {
  private static final String LAZY = "mode=lazy kernels=driver_test";
  private static final int SEEDS = 40;
  private static final int POISON = -1;

  @Test
  void aCopyDoesNotLandBeforeASynchronisation() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 7);
      MemorySegment target = gpu.pinned(4);
      target.set(JAVA_INT, 0, 5);
      MemorySegment stream = gpu.stream();

      gpu.copyOut(target, values, stream);
      assertThat(target.get(JAVA_INT, 0)).as("undefined from the call on").isEqualTo(POISON);

      gpu.synchronize(stream);
      assertThat(target.get(JAVA_INT, 0)).isEqualTo(7);
    }
  }

  @Test
  void aPinnedSourceThatIsReusedEarlyIsSeenAsOverwritten() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.allocate(4);
      MemorySegment source = gpu.pinned(4);
      MemorySegment stream = gpu.stream();
      source.set(JAVA_INT, 0, 1);

      gpu.copyIn(values, source, stream);
      source.set(JAVA_INT, 0, 2);
      gpu.synchronize(stream);

      assertThat(gpu.read(values)).isEqualTo(2);
    }
  }

  @Test
  void aPageableSourceIsTakenAtTheCall() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      long values = gpu.allocate(4);
      MemorySegment source = arena.allocateFrom(JAVA_INT, 1);
      MemorySegment stream = gpu.stream();

      gpu.copyIn(values, source, stream);
      source.set(JAVA_INT, 0, 2);
      gpu.synchronize(stream);

      assertThat(gpu.read(values)).isEqualTo(1);
    }
  }

  @Test
  void aSourceThatIsTheTargetOfALaterCopyKeepsItsBytesUntilItIsRead() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.allocate(4);
      MemorySegment both = gpu.pinned(4);
      MemorySegment stream = gpu.stream();
      both.set(JAVA_INT, 0, 20);

      gpu.copyIn(values, both, stream);
      gpu.add(values, 1, stream);
      gpu.copyOut(both, values, stream);
      gpu.synchronize(stream);

      assertThat(both.get(JAVA_INT, 0)).isEqualTo(21);
    }
  }

  @Test
  void freshMemoryHoldsNaNs() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      assertThat(gpu.read(gpu.allocate(4))).isEqualTo(POISON);
      assertThat(gpu.pinned(4).toArray(JAVA_BYTE)).containsOnly(POISON);
    }
  }

  @Test
  void oneStreamKeepsItsOrderWhateverTheSeed() {
    assertThat(outcomes(seed -> twoKernels(seed, Order.SAME_STREAM))).containsExactly(33);
  }

  @Test
  void anEventOrdersTwoStreamsWhateverTheSeed() {
    assertThat(outcomes(seed -> twoKernels(seed, Order.EVENT))).containsExactly(33);
  }

  @Test
  void aForgottenEventShowsWithSomeSeed() {
    assertThat(outcomes(seed -> twoKernels(seed, Order.NONE))).containsExactly(31, 33);
  }

  @Test
  void blockingStreamsAndTheDefaultStreamWaitForEachOther() {
    assertThat(outcomes(seed -> aroundTheDefaultStream(seed, CudaDriver.CU_STREAM_DEFAULT())))
        .containsExactly(33);
  }

  @Test
  void nonBlockingStreamsAndTheDefaultStreamDoNot() {
    assertThat(outcomes(seed -> aroundTheDefaultStream(seed, CudaDriver.CU_STREAM_NON_BLOCKING())))
        .contains(31, 33);
  }

  @Test
  void aSynchronousCopyDoesNotWaitForANonBlockingStream() {
    IntUnaryOperator copy =
        seed -> {
          Emulator.start(LAZY + " seed=" + seed);
          try (Gpu gpu = Gpu.open()) {
            long values = gpu.integers(1, 10);
            gpu.add(values, 1, gpu.stream());
            return gpu.read(values);
          }
        };

    assertThat(outcomes(copy)).containsExactly(10, 11);
  }

  @Test
  void eagerModeRunsAtTheCall() {
    Emulator emulator = Emulator.start("mode=eager kernels=driver_test");
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 10);
      MemorySegment target = gpu.pinned(4);
      MemorySegment stream = gpu.stream();

      gpu.add(values, 1, stream);
      gpu.copyOut(target, values, stream);

      assertThat(target.get(JAVA_INT, 0)).isEqualTo(11);
      assertThat(emulator.count("pending")).isZero();
    }
  }

  @Test
  void pollingAnEventLetsTheDeviceGetOn() {
    Emulator.start(LAZY + " seed=3");
    int mostPolls = 1000;
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 10);
      MemorySegment stream = gpu.stream();
      MemorySegment event = gpu.event();
      IntStream.range(0, 10).forEach(i -> gpu.add(values, 1, stream));
      gpu.record(event, stream);

      int polls = 0;
      int result = CudaDriver.cuEventQuery(event);
      assertThat(result).isEqualTo(CudaDriver.CUDA_ERROR_NOT_READY());
      while (result == CudaDriver.CUDA_ERROR_NOT_READY() && polls < mostPolls) {
        result = CudaDriver.cuEventQuery(event);
        polls++;
      }

      assertThat(Gpu.name(result)).isEqualTo("CUDA_SUCCESS");
      assertThat(gpu.read(values)).isEqualTo(20);
    }
  }

  @Test
  void aSlowCopyStaysPendingWhileAnythingElseCanRun() {
    Emulator.start(LAZY + " copies=slow seed=5");
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 10);
      MemorySegment source = gpu.pinned(4).fill((byte) 0);
      MemorySegment copies = gpu.stream();
      MemorySegment kernels = gpu.stream();
      gpu.copyIn(gpu.allocate(4), source, copies);
      gpu.add(values, 1, kernels);
      gpu.synchronize(kernels);

      assertThat(CudaDriver.cuStreamQuery(kernels)).isEqualTo(CudaDriver.CUDA_SUCCESS());
      gpu.add(values, 1, kernels);
      MemorySegment event = gpu.event();
      gpu.record(event, kernels);
      Gpu.check(CudaDriver.cuEventSynchronize(event));
      gpu.synchronize(copies);
      assertThat(gpu.read(values)).isEqualTo(12);
    }
  }

  @Test
  void timeBetweenEventsIsPositive() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment stream = gpu.stream();
      MemorySegment start = gpu.event();
      MemorySegment end = gpu.event();
      long values = gpu.integers(1, 0);
      MemorySegment milliseconds = arena.allocate(JAVA_INT);
      gpu.record(start, stream);
      gpu.add(values, 1, stream);
      gpu.record(end, stream);

      assertThat(CudaDriver.cuEventElapsedTime_v2(milliseconds, start, end))
          .isEqualTo(CudaDriver.CUDA_ERROR_NOT_READY());
      gpu.synchronize(stream);
      Gpu.check(CudaDriver.cuEventElapsedTime_v2(milliseconds, start, end));
      assertThat(Float.intBitsToFloat(milliseconds.get(JAVA_INT, 0))).isPositive();
    }
  }

  @Test
  void oneSeedGivesOneSchedule() {
    IntUnaryOperator race = seed -> twoKernels(seed, Order.NONE);

    for (int seed = 1; seed <= SEEDS; seed++) {
      assertThat(race.applyAsInt(seed)).as("seed %d", seed).isEqualTo(race.applyAsInt(seed));
    }
  }

  private enum Order {
    SAME_STREAM,
    EVENT,
    NONE
  }

  /** (10 + 1) · 3 where the two kernels run in their order, 10 · 3 + 1 otherwise. */
  private static int twoKernels(int seed, Order order) {
    Emulator.start(LAZY + " seed=" + seed);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 10);
      MemorySegment first = gpu.stream();
      MemorySegment second = order == Order.SAME_STREAM ? first : gpu.stream();
      gpu.add(values, 1, first);
      if (order == Order.EVENT) {
        MemorySegment event = gpu.event();
        gpu.record(event, first);
        gpu.await(second, event);
      }
      gpu.scale(values, 3, second);
      gpu.synchronize(first);
      gpu.synchronize(second);
      return gpu.read(values);
    }
  }

  /** The same, with the first kernel in a stream made with these flags, the second in none. */
  private static int aroundTheDefaultStream(int seed, int flags) {
    Emulator.start(LAZY + " seed=" + seed);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 10);
      MemorySegment stream = gpu.stream(flags);
      gpu.add(values, 1, stream);
      gpu.scale(values, 3, DEFAULT_STREAM);
      Gpu.check(CudaDriver.cuCtxSynchronize());
      return gpu.read(values);
    }
  }

  private static Set<Integer> outcomes(IntUnaryOperator run) {
    Set<Integer> outcomes = new TreeSet<>();
    IntStream.rangeClosed(1, SEEDS).forEach(seed -> outcomes.add(run.applyAsInt(seed)));
    return outcomes;
  }
}
