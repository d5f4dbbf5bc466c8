package dev.weir.engine.simulate;

import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Completion;
import dev.weir.kernels.CopyChecks;
import dev.weir.kernels.Device;
import dev.weir.kernels.HostBuffer;
import dev.weir.kernels.KvArena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Copies that take virtual time beside the steps, one after the other. The bytes arrive when the
 * host sees the end of a copy and not before: until then the destination holds rubbish, so that a
 * step which reads it too early draws other tokens.
 */
final class SimulatedCopies implements BlockCopies {
  private static final byte RUBBISH = (byte) 0xA5;

  private final SimulatedDevice device;
  private final VirtualClock clock;
  private final long blockNanos;
  private final Deque<Copy> underWay = new ArrayDeque<>();
  private long idleAt;
  private double failureProbability;
  private @Nullable SplittableRandom failures;

  private record Copy(MemorySegment from, MemorySegment to, long doneAt) {}

  /**
   * @param blockNanos what the copy of a block takes
   */
  SimulatedCopies(SimulatedDevice device, VirtualClock clock, long blockNanos) {
    this.device = device;
    this.clock = clock;
    this.blockNanos = blockNanos;
  }

  /** From now on a call fails with a probability, as drawn. */
  void failWith(double probability, SplittableRandom random) {
    failureProbability = probability;
    failures = random;
  }

  @Override
  public void toHost(KvArena source, int block, MemorySegment hostBlock) {
    CopyChecks.hostBlock(hostBlock, source);
    begin(segment(source, block), hostBlock, clock.nanos());
  }

  @Override
  public void fromHost(MemorySegment hostBlock, KvArena destination, int block) {
    CopyChecks.hostBlock(hostBlock, destination);
    begin(hostBlock, segment(destination, block), device.idleAt());
  }

  @Override
  public void fromPeer(
      Device peer, KvArena source, int sourceBlock, KvArena destination, int block) {
    if (!(peer instanceof SimulatedDevice other)) {
      throw CopyChecks.strangers(peer, device);
    }
    CopyChecks.sameShape(source, destination);
    other.requireAlive();
    begin(segment(source, sourceBlock), segment(destination, block), device.idleAt());
  }

  private static MemorySegment segment(KvArena arena, int block) {
    HostBuffer memory = (HostBuffer) arena.memory();
    return memory.segment().asSlice(arena.offset(block), arena.shape().blockBytes());
  }

  private void begin(MemorySegment from, MemorySegment to, long notBefore) {
    device.requireAlive();
    if (failures != null && failures.nextDouble() < failureProbability) {
      throw new IllegalStateException("a copy failed, as the simulation has it");
    }
    to.fill(RUBBISH);
    idleAt = Math.max(Math.max(idleAt, clock.nanos()), notBefore) + blockNanos;
    underWay.add(new Copy(from, to, idleAt));
  }

  @Override
  public void submit(Completion completion) {
    device.requireAlive();
    SimulatedDevice.mark(completion, idleAt);
  }

  /** The host has seen the end of all that was done by a moment. */
  void seen(long nanos) {
    for (Copy copy = underWay.peek();
        copy != null && copy.doneAt <= nanos;
        copy = underWay.peek()) {
      MemorySegment.copy(copy.from, 0, copy.to, 0, copy.to.byteSize());
      underWay.remove();
    }
  }
}
