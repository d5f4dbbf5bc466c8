package dev.weir.kernels;

import java.lang.foreign.MemorySegment;
import java.util.function.Predicate;

/** Copies of blocks between arenas that lie in host memory: each is done when its call returns. */
public final class HostBlockCopies implements BlockCopies {
  private final Device device;
  private final Predicate<Device> sameForm;

  /**
   * @param device whose copies these are
   * @param sameForm whether another device keeps blocks in the same form
   */
  public HostBlockCopies(Device device, Predicate<Device> sameForm) {
    this.device = device;
    this.sameForm = sameForm;
  }

  @Override
  public void toHost(KvArena source, int block, MemorySegment hostBlock) {
    CopyChecks.hostBlock(hostBlock, source);
    device.read(source.memory(), source.offset(block), hostBlock);
  }

  @Override
  public void fromHost(MemorySegment hostBlock, KvArena destination, int block) {
    CopyChecks.hostBlock(hostBlock, destination);
    device.write(destination.memory(), destination.offset(block), hostBlock);
  }

  @Override
  public void fromPeer(
      Device peer, KvArena source, int sourceBlock, KvArena destination, int block) {
    if (!sameForm.test(peer) || !(source.memory() instanceof HostBuffer memory)) {
      throw CopyChecks.strangers(peer, device);
    }
    CopyChecks.sameShape(source, destination);
    MemorySegment from =
        memory.segment().asSlice(source.offset(sourceBlock), source.shape().blockBytes());
    device.write(destination.memory(), destination.offset(block), from);
  }

  @Override
  public void submit(Completion completion) {}
}
