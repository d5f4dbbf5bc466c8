package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.Staging;
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
import org.junit.jupiter.params.provider.ValueSource;

/** KV blocks are copied beside the steps of GPUs, whatever the driver does first. */
class CopiesBesideStepsTest {
  private static final KvShape SHAPE = new KvShape(2, 2, 8, DType.BF16);
  private static final int BLOCKS = 8;
  private static final int SEEDS = 30;
  private static final int MOST_ASKS = 10_000;

  /** Enough for the compiler to have seen every path. */
  private static final int WARM_UP = 2_000;

  private final Emulator emulator = Emulator.start("");

  private void configure(String settings) {
    emulator.reset();
    emulator.configure(settings);
    Optional<String> unavailable = CudaDevice.unavailable();
    assumeTrue(unavailable.isEmpty(), () -> "skipped: " + unavailable.orElseThrow());
  }

  @AfterEach
  void theDriverFoundNoMistake() {
    assertThat(emulator.mistakes()).filteredOn(m -> !m.contains("injected into")).isEmpty();
  }

  /** A GPU that computes steps, with a cache of random bytes beside them. */
  private static final class Node implements AutoCloseable {
    final CudaDevice device;
    final EchoModel model;
    final KvArena arena;
    final byte[] content;
    final Completion copied;
    private final Staging pairs;

    Node(int ordinal, long seed) {
      device = CudaDevice.open(ordinal);
      model = new EchoModel(device);
      arena = device.allocateKv(SHAPE, BLOCKS);
      content = new byte[Math.toIntExact(BLOCKS * SHAPE.blockBytes())];
      new Random(seed).nextBytes(content);
      device.write(arena.memory(), 0, MemorySegment.ofArray(content));
      copied = device.completion();
      pairs = device.staging(2 * Integer.BYTES, "pairs of blocks");
      read(0); // whatever is written is there
    }

    byte[] read(int block) {
      byte[] bytes = new byte[Math.toIntExact(SHAPE.blockBytes())];
      device.read(arena.memory(), arena.offset(block), MemorySegment.ofArray(bytes));
      return bytes;
    }

    byte[] block(int block) {
      int bytes = Math.toIntExact(SHAPE.blockBytes());
      return Arrays.copyOfRange(content, block * bytes, (block + 1) * bytes);
    }

    /** Enqueues a step's work that writes a block. */
    void overwrite(int block, int with) {
      pairs.host().setAtIndex(JAVA_INT, 0, with);
      pairs.host().setAtIndex(JAVA_INT, 1, block);
      device.upload(pairs, 0, 2 * Integer.BYTES);
      device.kernels().copyBlocks(arena, 1, pairs.device());
    }

    /** Enqueues steps, and asks between them until the copies are done. */
    void stepsUntilCopied() {
      device.copies().submit(copied);
      int token = 0;
      do {
        assertThat(token).isLessThan(MOST_ASKS);
        int[] tokens = {token % EchoModel.VOCABULARY, 7};
        assertThat(model.answers(tokens)).containsExactly(tokens);
        token++;
      } while (!copied.done());
    }

    @Override
    public void close() {
      device.close();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "mode=eager peers=no",
        "mode=eager peers=yes",
        "mode=lazy peers=no",
        "mode=lazy peers=yes",
        "mode=lazy copies=slow peers=yes"
      })
  void blocksTravelDeviceHostDeviceAndDeviceToDeviceWhileStepsRun(String settings) {
    int seeds = settings.contains("lazy") ? 5 : 1;
    for (int seed = 1; seed <= seeds; seed++) {
      configure("devices=2 kernels=fast seed=" + seed + " " + settings);
      try (Node first = new Node(0, seed);
          Node second = new Node(1, seed + 100)) {
        long bytes = SHAPE.blockBytes();
        MemorySegment tier = first.device.hostMemory(2 * bytes, "a test");
        MemorySegment host = tier.asSlice(bytes, bytes);
        first.device.copies().toHost(first.arena, 3, host);
        second.model.fill(1, 2);
        second.model.compute();
        first.device.copies().submit(first.copied);
        first.copied.await();
        assertThat(host.toArray(JAVA_BYTE)).isEqualTo(first.block(3));

        second.device.copies().fromHost(host, second.arena, 5);
        second.device.copies().fromPeer(first.device, first.arena, 6, second.arena, 2);
        second.device.copies().fromPeer(first.device, first.arena, 1, second.arena, 7);
        second.model.await();
        second.stepsUntilCopied();
        assertThat(first.model.answers(9, 8)).containsExactly(9, 8);

        int[] cameFromFirst = {-1, -1, 6, -1, -1, 3, -1, 1};
        for (int b = 0; b < BLOCKS; b++) {
          byte[] expected = cameFromFirst[b] < 0 ? second.block(b) : first.block(cameFromFirst[b]);
          assertThat(second.read(b))
              .as("%s, seed %d, block %d", settings, seed, b)
              .isEqualTo(expected);
          assertThat(first.read(b)).isEqualTo(first.block(b));
        }
      }
    }
  }

  @Test
  void aCopyIntoABlockDoesNotOvertakeWhatStillWritesItWhateverTheSeed() {
    for (int seed = 1; seed <= SEEDS; seed++) {
      configure("mode=lazy devices=2 kernels=fast seed=" + seed);
      try (Node first = new Node(0, 1);
          Node second = new Node(1, 2)) {
        MemorySegment host = first.device.hostMemory(SHAPE.blockBytes(), "a test");
        host.copyFrom(MemorySegment.ofArray(first.block(7)));

        first.overwrite(1, 0);
        first.device.copies().fromHost(host, first.arena, 1);
        first.model.fill(4);
        first.model.compute();
        first.model.await(); // and with it the upload of pairs
        first.overwrite(2, 0);
        first.device.copies().fromPeer(second.device, second.arena, 4, first.arena, 2);
        first.device.copies().submit(first.copied);
        first.copied.await();

        assertThat(first.read(1)).as("seed %d", seed).isEqualTo(first.block(7));
        assertThat(first.read(2)).as("seed %d", seed).isEqualTo(second.block(4));
      }
    }
  }

  @Test
  void aStepDoesNotWaitForACopy() {
    configure("mode=lazy copies=slow kernels=fast");
    try (Node node = new Node(0, 1)) {
      MemorySegment host = node.device.hostMemory(SHAPE.blockBytes(), "a test");
      for (int i = 0; i < 3; i++) { // recorded too
        node.model.answers(5);
      }
      long copies = emulator.count("copy");
      node.device.copies().fromHost(host.fill((byte) 1), node.arena, 0);
      node.device.copies().submit(node.copied);
      node.model.fill(6);
      node.model.compute();
      node.model.await();
      assertThat(node.model.answer(0)).isEqualTo(6);
      assertThat(emulator.count("copy") - copies).as("up, down, and no third").isEqualTo(2);
      node.copied.await();
      assertThat(emulator.count("copy") - copies).isEqualTo(3);
    }
  }

  @Test
  void aHostWithoutPinnedMemoryForTheTierNamesSizeAndPurposeAndGoesOn() {
    configure("kernels=fast");
    try (Node node = new Node(0, 1)) {
      emulator.configure("fail=cuMemHostAlloc:+1:CUDA_ERROR_OUT_OF_MEMORY");
      assertThatThrownBy(() -> node.device.hostMemory(1 << 20, "the host tier"))
          .isInstanceOf(DeviceMemoryException.class)
          .hasMessageContainingAll("1,048,576", "the host tier", "memlock");
      assertThat(node.device.lost()).isFalse();
      assertThat(node.device.hostMemory(1 << 20, "the host tier").byteSize()).isEqualTo(1 << 20);
      assertThat(node.model.answers(3)).containsExactly(3);
    }
  }

  @Test
  void aFaultOfACopyLosesTheDeviceWhereverItIsAskedAndNotItsPeer() {
    for (boolean asking : new boolean[] {true, false}) {
      configure("mode=lazy devices=2 kernels=fast");
      Node first = new Node(0, 1);
      try (Node second = new Node(1, 2)) {
        emulator.configure("fail=copy:+2:CUDA_ERROR_ECC_UNCORRECTABLE");
        for (int b = 0; b < 4; b++) {
          first.device.copies().fromPeer(second.device, second.arena, b, first.arena, b);
        }
        first.device.copies().submit(first.copied);
        assertThatThrownBy(() -> end(first.copied, asking))
            .isInstanceOf(DeviceLostException.class)
            .hasMessageContainingAll("cuda:0 is lost", "ECC_UNCORRECTABLE", "copies of KV blocks");
        assertThat(first.device.lost()).isTrue();
        assertThat(second.device.lost()).isFalse();

        assertThatThrownBy(
                () ->
                    second.device.copies().fromPeer(first.device, first.arena, 0, second.arena, 0))
            .isInstanceOf(DeviceLostException.class)
            .hasMessageContaining("cuda:0 is lost");
        assertThat(second.device.lost()).isFalse();
        assertThat(second.model.answers(1, 2)).containsExactly(1, 2);
        first.close();
      }
    }
  }

  private static void end(Completion completion, boolean asking) {
    if (!asking) {
      completion.await();
      return;
    }
    for (int i = 0; i < MOST_ASKS && !completion.done(); i++) {}
  }

  @Test
  void aRefusedCopyIsTheDriversErrorAndHarmsNothing() {
    configure("devices=2 kernels=fast fail=cuMemcpyPeerAsync:1:CUDA_ERROR_INVALID_VALUE");
    try (Node first = new Node(0, 1);
        Node second = new Node(1, 2)) {
      assertThatThrownBy(
              () -> first.device.copies().fromPeer(second.device, second.arena, 0, first.arena, 0))
          .isInstanceOf(CudaException.class)
          .hasMessageContainingAll("cuMemcpyPeerAsync", "copies of KV blocks");
      first.device.copies().fromPeer(second.device, second.arena, 0, first.arena, 0);
      first.stepsUntilCopied();
      assertThat(first.read(0)).isEqualTo(second.block(0));
      Completion foreign = second.device.completion();
      assertThatThrownBy(() -> first.device.copies().submit(foreign))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("another device");
    }
  }

  @Test
  void closingWithCopiesInFlightWaitsForThemAndLeavesNothingBehind() {
    configure("mode=lazy copies=slow kernels=fast");
    try (Node node = new Node(0, 1)) {
      MemorySegment host = node.device.hostMemory(SHAPE.blockBytes(), "a test");
      node.device.copies().fromHost(host, node.arena, 0);
      node.device.copies().toHost(node.arena, 1, host);
      node.device.free(node.device.allocate(64, "a test")); // waits for all that may use it
      assertThat(host.toArray(JAVA_BYTE)).isEqualTo(node.block(1));
      node.device.copies().fromHost(host, node.arena, 2);
    }
    for (String what : new String[] {"allocations", "pinned", "streams", "events", "pending"}) {
      assertThat(emulator.count(what)).as(what).isZero();
    }
  }

  @Test
  void aCopyAndTheQuestionForItsEndAllocateNothingOnTheHeap() {
    assumeTrue(
        ManagementFactory.getThreadMXBean() instanceof ThreadMXBean,
        "skipped: this JVM does not count allocations");
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    configure("mode=eager devices=2 kernels=fast");
    try (Node first = new Node(0, 1);
        Node second = new Node(1, 2)) {
      MemorySegment host = first.device.hostMemory(SHAPE.blockBytes(), "a test");
      for (int i = 0; i < WARM_UP; i++) {
        copies(first, second, host);
        threads.getCurrentThreadAllocatedBytes(); // its own first call allocates
      }
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 8 && least > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 50; i++) {
          copies(first, second, host);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertThat(least).as("bytes in the best round").isZero();
    }
  }

  private static void copies(Node first, Node second, MemorySegment host) {
    first.device.copies().toHost(first.arena, 0, host);
    first.device.copies().fromHost(host, first.arena, 1);
    first.device.copies().fromPeer(second.device, second.arena, 2, first.arena, 3);
    first.device.copies().submit(first.copied);
    assert first.copied.done();
  }
}
