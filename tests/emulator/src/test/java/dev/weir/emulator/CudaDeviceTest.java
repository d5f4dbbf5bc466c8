package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepProgram;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The Java side of a GPU, down to the driver: memory, order, recorded steps, and every failure. */
class CudaDeviceTest {
  /** More than both bounce buffers, and no multiple of one. */
  private static final int LONG_COPY = (20 << 20) + 1234;

  /** Enough for the compiler to have seen every path. */
  private static final int WARM_UP = 600;

  private static final int MAX_GRAPHS = 256; // RecordedSteps.MAX_SIZES

  private final Emulator emulator = Emulator.start("");

  private CudaDevice open(String settings) {
    emulator.reset();
    emulator.configure(settings);
    Optional<String> unavailable = CudaDevice.unavailable();
    assumeTrue(unavailable.isEmpty(), () -> "skipped: " + unavailable.orElseThrow());
    return CudaDevice.open(0);
  }

  @AfterEach
  void theDriverFoundNoMistake() {
    assertThat(emulator.mistakes()).filteredOn(m -> !m.contains("injected into")).isEmpty();
  }

  @Test
  void whatKeepsAGpuFromBeingUsedIsSaidWithItsRemedy() {
    open("devices=1").close();
    assertUnavailable("devices=0", "finds no GPU", "nvidia-smi");
    assertUnavailable("driver=12040", "supports CUDA 12.4", "install driver 580 or newer");
    assertUnavailable("capability=7.5", "compute capability 7.5) is too old", "8.0 or newer");
    assertUnavailable(
        "fail=cuInit:1+:CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)",
        "nvidia-smi");
    open("devices=2").close();
    assertThat(CudaDevice.count()).isEqualTo(2);
    assertThat(CudaDevice.unavailable(2).orElseThrow()).contains("no cuda:2", "2 GPUs");
  }

  private void assertUnavailable(String settings, String... words) {
    emulator.reset();
    emulator.configure(settings);
    String reason = CudaDevice.unavailable().orElseThrow();
    assertThat(reason).contains(words).doesNotContain("\n");
    assertThatThrownBy(() -> CudaDevice.open(0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(reason);
  }

  @Test
  void aGpuOfAnyCapabilityFromEightOnComputes() {
    open("devices=1").close();
    for (String capability : new String[] {"8.0", "8.6", "8.9", "9.0", "10.0", "10.3", "12.1"}) {
      try (CudaDevice device = open("capability=" + capability)) {
        assertThat(device.name()).endsWith("sm_" + capability.replace(".", "") + ")");
        assertThat(new EchoModel(device).answers(3, 1, 4)).containsExactly(3, 1, 4);
      }
    }
  }

  @Test
  void memoryIsZeroedWrittenAndReadWhole() {
    try (CudaDevice device = open("mode=lazy")) {
      Buffer buffer = device.allocate(LONG_COPY + 8L, "a test");
      byte[] read = new byte[LONG_COPY + 8];
      device.read(buffer, 0, MemorySegment.ofArray(read));
      assertThat(Arrays.equals(read, new byte[read.length])).isTrue();

      byte[] written = new byte[LONG_COPY];
      new Random(1).nextBytes(written);
      byte[] source = written.clone();
      device.write(buffer, 5, MemorySegment.ofArray(source));
      Arrays.fill(source, (byte) 7); // the call has taken its bytes
      byte[] back = new byte[LONG_COPY];
      device.read(buffer, 5, MemorySegment.ofArray(back));
      assertThat(Arrays.equals(back, written)).isTrue();
    }
  }

  @Test
  void bothSidesOfStagingMemoryAgreeOnceACopyIsAwaited() {
    try (CudaDevice device = open("mode=lazy copies=slow")) {
      Staging staging = device.staging(64, "a test");
      Completion done = device.completion();
      staging.host().setAtIndex(JAVA_INT, 3, 33);
      staging.host().setAtIndex(JAVA_INT, 4, 44);
      device.upload(staging, 12, 4);
      device.download(staging, 64, done);
      done.await();
      assertThat(staging.host().getAtIndex(JAVA_INT, 3)).isEqualTo(33);
      assertThat(staging.host().getAtIndex(JAVA_INT, 4)).as("was not uploaded").isZero();

      device.write(staging.device(), 8, MemorySegment.ofArray(new int[] {22}));
      assertThat(staging.host().getAtIndex(JAVA_INT, 2)).isEqualTo(22);
    }
  }

  @Test
  void aDeviceWithoutMemoryNamesSizesAndPurposeAndGoesOn() {
    try (CudaDevice device = open("memory=64m")) {
      assertThatThrownBy(() -> device.allocate(1L << 30, "the KV cache"))
          .isInstanceOf(DeviceMemoryException.class)
          .hasMessageContainingAll("1,073,741,824", "the KV cache", "67,108,864", "smaller");
      assertThat(new EchoModel(device).answers(5)).containsExactly(5);
    }
  }

  @Test
  void aHostWithoutPinnedMemoryNamesTheLimit() {
    try (CudaDevice device = open("fail=cuMemHostAlloc:3:CUDA_ERROR_OUT_OF_MEMORY")) {
      assertThatThrownBy(() -> device.staging(4096, "step inputs"))
          .isInstanceOf(DeviceMemoryException.class)
          .hasMessageContainingAll("4,096", "step inputs", "memlock");
      assertThat(device.staging(4096, "step inputs").host().byteSize()).isEqualTo(4096);
    }
  }

  @Test
  void whatWasFreedIsGoneAndNothingElseCanBeFreed() {
    try (CudaDevice device = open("mode=lazy")) {
      long before = emulator.count("allocations");
      Staging staging = device.staging(64, "a test");
      assertThatThrownBy(() -> device.free(staging.device().slice(0, 32)))
          .isInstanceOf(IllegalArgumentException.class);
      device.free(staging.device());
      assertThat(emulator.count("allocations")).isEqualTo(before);
      assertThat(staging.host().scope().isAlive()).isFalse();
      assertThatThrownBy(() -> device.free(staging.device()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("freed before");
    }
  }

  @Test
  void closingLeavesNothingBehind() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      for (int i = 0; i < 3; i++) {
        model.answers(1, 2);
      }
      assertThat(emulator.count("graphs")).isPositive();
    }
    for (String what :
        new String[] {"allocations", "pinned", "streams", "events", "graphs", "modules"}) {
      assertThat(emulator.count(what)).as(what).isZero();
    }
  }

  @Test
  void aRefusedCallNamesTheKernelAndTheDriversReasonAndHarmsNothing() {
    try (CudaDevice device = open("fail=cuLaunchKernelEx:3:CUDA_ERROR_INVALID_VALUE")) {
      EchoModel model = new EchoModel(device);
      assertThatThrownBy(() -> model.answers(1))
          .isInstanceOf(CudaException.class)
          .hasMessageContainingAll("cuLaunchKernelEx", "gather_add_rms_norm_bf16")
          .hasMessageContaining("CUDA_ERROR_INVALID_VALUE (1)");
      assertThat(model.answers(1)).containsExactly(1);
    }
  }

  @Test
  void aKernelsFaultLosesTheDeviceForEveryLaterCall() {
    CudaDevice device = open("mode=lazy fail=kernel:4:CUDA_ERROR_ILLEGAL_ADDRESS");
    EchoModel model = new EchoModel(device);
    model.fill(1);
    model.compute();
    assertThatThrownBy(model::await)
        .isInstanceOf(DeviceLostException.class)
        .hasMessageContainingAll("cuda:0 is lost", "CUDA_ERROR_ILLEGAL_ADDRESS (700)", "a step");
    String first = firstFailure(model::await);
    assertThat(firstFailure(model::compute)).isEqualTo(first);
    assertThat(firstFailure(() -> device.allocate(8, "more"))).isEqualTo(first);
    assertThat(firstFailure(() -> device.kernels().prepare(model.step))).isEqualTo(first);
    device.close();

    // The emulated process starts anew.
    try (CudaDevice again = open("mode=lazy")) {
      assertThat(new EchoModel(again).answers(1)).containsExactly(1);
    }
  }

  @Test
  void aLostDeviceThatIsFoundLostByAnyCallSaysSo() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      emulator.configure("fail=lost:+4+:CUDA_ERROR_ECC_UNCORRECTABLE");
      assertThatThrownBy(() -> model.answers(1))
          .isInstanceOf(DeviceLostException.class)
          .hasMessageContaining("CUDA_ERROR_ECC_UNCORRECTABLE");
    }
  }

  private static String firstFailure(Runnable call) {
    try {
      call.run();
    } catch (DeviceLostException e) {
      return String.valueOf(e.getMessage());
    }
    throw new AssertionError("the device is not lost");
  }

  @Test
  void aBlockingDeviceNamesTheKernelThatFailed() {
    System.setProperty(CudaDevice.BLOCKING_PROPERTY, "true");
    try (CudaDevice device = open("mode=lazy fail=kernel:3:CUDA_ERROR_ILLEGAL_ADDRESS")) {
      EchoModel model = new EchoModel(device);
      assertThatThrownBy(() -> model.answers(1))
          .isInstanceOf(DeviceLostException.class)
          .hasMessageContaining("gather_add_rms_norm_bf16");
    } finally {
      System.clearProperty(CudaDevice.BLOCKING_PROPERTY);
    }
  }

  @Test
  void theSecondStepOfASizeIsRecordedAndLaterOnesReplayIt() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      Random random = new Random(2);
      for (int count : new int[] {1, 2, 3, 4, 17, 24, 40}) {
        for (int i = 0; i < 4; i++) {
          int[] tokens = random.ints(count, 0, EchoModel.VOCABULARY).toArray();
          assertThat(model.answers(tokens)).containsExactly(tokens);
        }
      }
      // Classes 1, 2, 4, 24, and 40, the largest step: of 28 steps 5 came first.
      assertThat(emulator.count("cuGraphInstantiateWithFlags")).isEqualTo(5);
      assertThat(emulator.count("cuGraphLaunch")).isEqualTo(28 - 5);
    }
  }

  @Test
  void aRecordingThatFailsLeavesTheDeviceAsItWas() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      int[] runs = {0};
      StepProgram failing =
          step -> {
            model.program.run(step);
            if (++runs[0] == 3) { // asked, run, recorded
              throw new IllegalStateException("a planted failure");
            }
          };
      model.fill(5, 6);
      model.compute(failing);
      assertThatThrownBy(() -> model.compute(failing))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("a planted failure");
      assertThat(emulator.count("graphs")).isZero();
      model.compute(failing);
      model.await();
      assertThat(model.answer(1)).isEqualTo(6);
      assertThat(emulator.count("cuGraphLaunch")).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "cuStreamBeginCapture_v2, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
    "cuGraphInstantiateWithFlags, CUDA_ERROR_NOT_SUPPORTED",
    "cuGraphInstantiateWithFlags, CUDA_ERROR_OUT_OF_MEMORY",
    "cuGraphLaunch, CUDA_ERROR_OUT_OF_MEMORY"
  })
  void aSizeWhoseGraphTheDriverRefusesRunsOpByOp(String call, String error) {
    try (CudaDevice device = open("mode=lazy fail=" + call + ":1:" + error)) {
      EchoModel model = new EchoModel(device);
      for (int i = 0; i < 4; i++) {
        assertThat(model.answers(5, 6)).containsExactly(5, 6);
      }
      assertThat(emulator.count(call)).as("asked for once").isEqualTo(1);
      assertThat(emulator.count("graphs")).isZero();
      for (int i = 0; i < 4; i++) {
        assertThat(model.answers(7)).containsExactly(7);
      }
      assertThat(emulator.count("graphs")).as("other sizes are recorded").isEqualTo(1);
    }
  }

  @Test
  void whereMemoryForAGraphIsShortTheOlderHalfGoes() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      for (int count : new int[] {1, 2, 4, 8}) {
        recorded(model, count);
      }
      assertThat(emulator.count("graphs")).isEqualTo(4);
      emulator.configure("fail=cuGraphInstantiateWithFlags:+1:CUDA_ERROR_OUT_OF_MEMORY");
      recorded(model, 16);
      assertThat(emulator.count("graphs")).as("8, 4 and 16").isEqualTo(3);

      long replayed = emulator.count("cuGraphLaunch");
      recorded(model, 1);
      recorded(model, 2);
      assertThat(emulator.count("cuGraphLaunch")).as("those forgotten").isEqualTo(replayed);
      recorded(model, 8);
      assertThat(emulator.count("cuGraphLaunch")).isEqualTo(replayed + 2);
    }
  }

  private static void recorded(EchoModel model, int count) {
    int[] tokens = new Random(count).ints(count, 0, EchoModel.VOCABULARY).toArray();
    for (int i = 0; i < 2; i++) {
      assertThat(model.answers(tokens)).containsExactly(tokens);
    }
  }

  @Test
  void withoutGraphsEveryStepIsLaunchedOpByOp() {
    System.setProperty(CudaDevice.GRAPHS_PROPERTY, "false");
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      for (int i = 0; i < 4; i++) {
        assertThat(model.answers(7, 8)).containsExactly(7, 8);
      }
      assertThat(emulator.count("cuGraphLaunch")).isZero();
    } finally {
      System.clearProperty(CudaDevice.GRAPHS_PROPERTY);
    }
  }

  @Test
  void freeingMemoryForgetsWhatMightAddressIt() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      for (int i = 0; i < 3; i++) {
        model.answers(9);
      }
      assertThat(emulator.count("graphs")).isEqualTo(1);
      device.free(device.allocate(64, "a test"));
      assertThat(emulator.count("graphs")).isZero();
      assertThat(model.answers(9)).containsExactly(9);
    }
  }

  @Test
  void moreProgramsThanAreKeptReplaceTheOldest() {
    int programs = 300;
    try (CudaDevice device = open("mode=lazy kernels=fast")) {
      EchoModel model = new EchoModel(device);
      model.answers(1);
      for (int p = 0; p < programs; p++) {
        StepProgram program = new Numbered(p, model);
        for (int i = 0; i < 2; i++) {
          device.compute(model.step, program);
        }
      }
      assertThat(emulator.count("graphs")).isEqualTo(MAX_GRAPHS);
      assertThat(model.answers(1)).containsExactly(1);
    }
  }

  /** A program of its own for every number. */
  private record Numbered(int number, EchoModel model) implements StepProgram {
    @Override
    public void run(StepInputs step) {
      model.program.run(step);
    }
  }

  @Test
  void anUnsoundStepIsRefusedBeforeAnythingIsLaunched() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      for (int round = 0; round < 3; round++) { // first, recorded and replayed steps
        long launched = launches();
        model.fill(1, EchoModel.VOCABULARY);
        assertThatThrownBy(model::compute)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("token id 100");
        model.fill(1, 2);
        model.set(EchoModel.SAMPLE_ROWS, 1, 2);
        assertThatThrownBy(model::compute)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("sampled row is 2");
        model.fill(1, 2);
        model.set(EchoModel.COUNTS, 0, 3);
        assertThatThrownBy(model::compute)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("its counts in memory say 3");
        assertThat(launches()).isEqualTo(launched);
        assertThat(model.answers(1, 2)).containsExactly(1, 2);
      }
    }
  }

  private long launches() {
    return emulator.count("cuLaunchKernelEx") + emulator.count("cuGraphLaunch");
  }

  @Test
  void aStepLargerThanReservedIsRefused() {
    try (CudaDevice device = open("mode=lazy")) {
      EchoModel model = new EchoModel(device);
      model.fill(new int[EchoModel.MAX_TOKENS + 1]);
      assertThatThrownBy(model::compute)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("41");
    }
  }

  @Test
  void devicesTakeTurnsOnOneThread() {
    open("mode=lazy devices=2").close();
    try (CudaDevice first = CudaDevice.open(0);
        CudaDevice second = CudaDevice.open(1)) {
      EchoModel one = new EchoModel(first);
      EchoModel two = new EchoModel(second);
      for (int i = 0; i < 4; i++) {
        one.fill(10 + i, 20);
        two.fill(30, 40, 50 + i);
        one.compute();
        two.compute();
        two.await();
        one.await();
        assertThat(one.answer(0)).isEqualTo(10 + i);
        assertThat(two.answer(2)).isEqualTo(50 + i);
      }
      Completion foreign = second.completion();
      Staging staging = first.staging(8, "a test");
      assertThatThrownBy(() -> first.download(staging, 8, foreign))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("another device");
    }
  }

  @Test
  void weightsAreKeptInSixteenBits() {
    try (CudaDevice device = open("mode=lazy")) {
      assertThat(device.weightType(DType.F32)).isEqualTo(DType.BF16);
      assertThat(device.weightType(DType.F16)).isEqualTo(DType.F16);
      assertThat(device.activationType(DType.BF16)).isEqualTo(DType.BF16);
      assertThatThrownBy(() -> device.allocateLinear(DType.F32, 8, 8, "a weight"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("F32");
    }
  }

  @Test
  void aReplayedStepAllocatesNothingOnTheHeap() {
    assertStepsAllocateNothing();
  }

  @Test
  void aLaunchAllocatesNothingOnTheHeap() {
    System.setProperty(CudaDevice.GRAPHS_PROPERTY, "false");
    try {
      assertStepsAllocateNothing();
    } finally {
      System.clearProperty(CudaDevice.GRAPHS_PROPERTY);
    }
  }

  private void assertStepsAllocateNothing() {
    assumeTrue(
        ManagementFactory.getThreadMXBean() instanceof ThreadMXBean,
        "skipped: this JVM does not count allocations");
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (CudaDevice device = open("mode=eager kernels=fast")) {
      EchoModel model = new EchoModel(device);
      model.fill(1, 2, 3);
      for (int i = 0; i < WARM_UP; i++) {
        step(model);
        threads.getCurrentThreadAllocatedBytes(); // its own first call allocates
      }
      // The JVM allocates a little on a thread whose code it replaces, at moments of its own; what
      // steps allocate would be in every round.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 8 && least > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 50; i++) {
          step(model);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertThat(least).as("bytes in the best round").isZero();
      assertThat(model.answer(2)).isEqualTo(3);
    }
  }

  private static void step(EchoModel model) {
    model.compute();
    model.await();
  }

  @Test
  void copiesOfBytesKeepTheirPlaces() {
    try (CudaDevice device = open("mode=lazy")) {
      Buffer buffer = device.allocate(100, "a test");
      device.write(buffer, 10, MemorySegment.ofArray(new byte[] {1, 2, 3}));
      device.write(buffer.slice(50, 50), 49, MemorySegment.ofArray(new byte[] {9}));
      byte[] read = new byte[100];
      device.read(buffer, 0, MemorySegment.ofArray(read));
      byte[] expected = new byte[100];
      MemorySegment.ofArray(expected).set(JAVA_BYTE, 10, (byte) 1);
      expected[11] = 2;
      expected[12] = 3;
      expected[99] = 9;
      assertThat(read).isEqualTo(expected);
      assertThatThrownBy(() -> device.write(buffer, 98, MemorySegment.ofArray(new byte[3])))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }
}
