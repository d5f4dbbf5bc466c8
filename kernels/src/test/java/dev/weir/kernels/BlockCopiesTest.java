package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Blocks leave a device and come back, or go to another one, bit for bit, beside its ops. */
class BlockCopiesTest {
  private static final int BLOCKS = 6;

  /** A device gets on while it is asked; none needs more. */
  private static final int MOST_ASKS = 10_000;

  static List<DeviceCase> devices() {
    return DeviceCase.oneOfEach();
  }

  private static KvArena arena(DeviceFixture fixture, byte[] content) {
    KvArena arena = fixture.device.allocateKv(new KvShape(3, 2, 8, fixture.kv), BLOCKS);
    fixture.device.write(arena.memory(), 0, MemorySegment.ofArray(content));
    read(fixture, arena, 0); // whatever is written is there
    return arena;
  }

  private static byte[] content(DeviceFixture fixture, int seed) {
    long bytes = BLOCKS * new KvShape(3, 2, 8, fixture.kv).blockBytes();
    byte[] content = new byte[Math.toIntExact(bytes)];
    Seeds.random(seed).nextBytes(content);
    return content;
  }

  private static byte[] read(DeviceFixture fixture, KvArena arena, int block) {
    byte[] bytes = new byte[Math.toIntExact(arena.shape().blockBytes())];
    fixture.device.read(arena.memory(), arena.offset(block), MemorySegment.ofArray(bytes));
    return bytes;
  }

  private static byte[] block(byte[] content, int block) {
    int bytes = content.length / BLOCKS;
    return Arrays.copyOfRange(content, block * bytes, (block + 1) * bytes);
  }

  /** The end of all copies so far, waited for by asking. */
  private static void finish(DeviceFixture fixture) {
    Completion end = fixture.device.completion();
    fixture.device.copies().submit(end);
    int asks = 0;
    while (!end.done()) {
      assertThat(++asks).isLessThan(MOST_ASKS);
    }
    end.await();
    assertThat(end.done()).isTrue();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_block_goes_to_the_host_and_comes_back_elsewhere(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      byte[] content = content(fixture, 1);
      KvArena arena = arena(fixture, content);
      long bytes = arena.shape().blockBytes();
      MemorySegment tier = fixture.device.hostMemory(3 * bytes, "a test");
      assertThat(tier.address() % Long.BYTES).isZero();
      MemorySegment host = tier.asSlice(bytes, bytes);

      fixture.device.copies().toHost(arena, 4, host);
      finish(fixture);
      assertThat(host.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(block(content, 4));
      fixture.device.copies().fromHost(host, arena, 1);
      finish(fixture);

      for (int b = 0; b < BLOCKS; b++) {
        assertThat(read(fixture, arena, b))
            .as("block %d", b)
            .isEqualTo(block(content, b == 1 ? 4 : b));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_copy_into_a_block_comes_after_the_ops_that_still_write_it(DeviceCase device) {
    try (DeviceFixture fixture = device.open();
        DeviceFixture other = device.open()) {
      byte[] content = content(fixture, 2);
      KvArena arena = arena(fixture, content);
      byte[] others = content(other, 3);
      KvArena peer = arena(other, others);
      MemorySegment host = fixture.device.hostMemory(arena.shape().blockBytes(), "a test");
      host.copyFrom(MemorySegment.ofArray(block(content, 5)));

      fixture.kernels.copyBlocks(arena, 2, fixture.ints(0, 1, 0, 2));
      fixture.device.copies().fromHost(host, arena, 1);
      fixture.device.copies().fromPeer(other.device, peer, 3, arena, 2);
      finish(fixture);

      assertThat(read(fixture, arena, 1)).isEqualTo(block(content, 5));
      assertThat(read(fixture, arena, 2)).isEqualTo(block(others, 3));
      assertThat(read(other, peer, 3)).isEqualTo(block(others, 3));
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void what_is_no_block_is_refused(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      KvArena arena = arena(fixture, content(fixture, 4));
      long bytes = arena.shape().blockBytes();
      MemorySegment host = fixture.device.hostMemory(bytes, "a test");
      BlockCopies copies = fixture.device.copies();
      assertThatThrownBy(() -> copies.toHost(arena, BLOCKS, host))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> copies.fromHost(host.asSlice(1), arena, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(bytes + " bytes of native memory, not " + (bytes - 1));
      assertThatThrownBy(
              () -> copies.toHost(arena, 0, MemorySegment.ofArray(new byte[(int) bytes])))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("on the heap");
      KvArena wider = fixture.device.allocateKv(new KvShape(3, 2, 16, fixture.kv), 1);
      assertThatThrownBy(() -> copies.fromPeer(fixture.device, wider, 0, arena, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("headDim=16");
      assertThatThrownBy(() -> fixture.device.hostMemory(0, "nothing"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("nothing");
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_device_of_another_kind_is_refused_by_name(DeviceCase device) {
    try (DeviceFixture fixture = device.open();
        ReferenceDevice reference = ReferenceDevice.open()) {
      Assumptions.assumeFalse(
          fixture.device instanceof ReferenceDevice, "skipped: one and the same kind");
      KvShape shape = new KvShape(1, 1, 8, fixture.kv);
      KvArena arena = fixture.device.allocateKv(shape, 1);
      KvArena theirs = reference.allocateKv(shape, 1);
      for (Runnable copy :
          List.<Runnable>of(
              () -> fixture.device.copies().fromPeer(reference, theirs, 0, arena, 0),
              () -> reference.copies().fromPeer(fixture.device, arena, 0, theirs, 0))) {
        assertThatThrownBy(copy::run)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining(fixture.device.name())
            .hasMessageContaining(reference.name());
      }
    }
  }

  @Test
  void host_memory_that_is_not_there_is_an_error_that_names_its_purpose() {
    Assumptions.assumeTrue(CpuDevice.unavailable().isEmpty(), "skipped: no native kernels");
    try (CpuDevice device = CpuDevice.open(1)) {
      assertThatThrownBy(() -> device.hostMemory(1L << 46, "the host tier"))
          .isInstanceOf(DeviceMemoryException.class)
          .hasMessageContaining("the host tier");
      assertThat(device.lost()).isFalse();
    }
  }
}
