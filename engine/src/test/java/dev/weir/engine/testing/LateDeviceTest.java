package dev.weir.engine.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Copies on the device that does all as late as it may: who is too early sees it. */
class LateDeviceTest {
  private static final KvShape SHAPE = new KvShape(1, 1, 1, DType.F32);
  private static final int BYTES = (int) SHAPE.blockBytes();

  private final LateDevice device = new LateDevice(ReferenceDevice.open());
  private final KvArena arena = device.allocateKv(SHAPE, 2);
  private final MemorySegment host = device.hostMemory(BYTES, "a test");
  private final Completion done = device.completion();

  private void write(int block, int value) {
    byte[] bytes = new byte[BYTES];
    Arrays.fill(bytes, (byte) value);
    device.write(arena.memory(), arena.offset(block), MemorySegment.ofArray(bytes));
  }

  private byte read(int block) {
    byte[] bytes = new byte[BYTES];
    device.read(arena.memory(), arena.offset(block), MemorySegment.ofArray(bytes));
    assertThat(bytes).containsOnly(bytes[0]);
    return bytes[0];
  }

  @Test
  void aCopyIsDoneWhenItIsAwaitedOrWasAskedForOftenEnough() {
    host.fill((byte) 3);
    device.copies().fromHost(host, arena, 1);
    device.copies().submit(done);
    assertThat(done.done()).isFalse();
    assertThat(done.done()).isFalse();
    assertThat(read(1)).isZero();
    assertThat(done.done()).isTrue();
    assertThat(read(1)).isEqualTo((byte) 3);

    host.fill((byte) 4);
    device.copies().fromHost(host, arena, 1);
    device.copies().submit(done);
    done.await();
    assertThat(done.done()).isTrue();
    assertThat(read(1)).isEqualTo((byte) 4);
    device.close();
  }

  @Test
  void whoReadsTheHostsSideTooEarlyFindsItPoisonedAndWhoReusesTheSourceLosesIt() {
    write(0, 1);
    device.copies().toHost(arena, 0, host);
    device.copies().submit(done);
    assertThat(host.get(ValueLayout.JAVA_BYTE, 0)).isNotEqualTo((byte) 1);
    write(0, 2);
    done.await();
    assertThat(host.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 2);
    device.close();
  }

  @Test
  void aDeviceThatIsLostFailsEveryCallAndTheCopiesThatReadFromIt() {
    LateDevice peer = new LateDevice(ReferenceDevice.open());
    KvArena other = peer.allocateKv(SHAPE, 2);
    host.fill((byte) 6);
    peer.copies().fromPeer(device, arena, 1, other, 0);
    peer.copies().fromHost(host, other, 1);
    Completion copied = peer.completion();
    peer.copies().submit(copied);
    assertThat(device.isReadBy(peer)).isTrue();
    device.lose();
    assertThat(device.lost()).isTrue();
    assertThatThrownBy(copied::await).hasMessageContaining("is gone");
    assertThat(peer.lost()).isFalse();
    assertThat(peer.copiesInFlight()).isZero();
    byte[] bytes = new byte[BYTES];
    peer.read(other.memory(), other.offset(1), MemorySegment.ofArray(bytes));
    assertThat(bytes).as("what was copied behind it").containsOnly(6);
    assertThatThrownBy(() -> device.copies().toHost(arena, 0, host)).hasMessageContaining("gone");
    assertThatThrownBy(() -> peer.copies().fromPeer(device, arena, 0, other, 0))
        .hasMessageContaining("gone");
    assertThatThrownBy(done::done).hasMessageContaining("gone");
    peer.close();
    device.close();
  }

  @Test
  void aPeersBlockIsTakenWhenTheCopyIsDoneAndClosingBeforeIsTold() {
    LateDevice peer = new LateDevice(ReferenceDevice.open());
    KvArena other = peer.allocateKv(SHAPE, 1);
    write(1, 5);
    Completion copied = peer.completion();
    peer.copies().fromPeer(device, arena, 1, other, 0);
    peer.copies().submit(copied);
    byte[] bytes = new byte[BYTES];
    peer.read(other.memory(), 0, MemorySegment.ofArray(bytes));
    assertThat(bytes).containsOnly(0);
    copied.await();
    peer.read(other.memory(), 0, MemorySegment.ofArray(bytes));
    assertThat(bytes).containsOnly(5);

    peer.copies().fromPeer(device, arena, 0, other, 0);
    assertThatThrownBy(peer::close).hasMessageContaining("in flight");
    device.close();
  }
}
