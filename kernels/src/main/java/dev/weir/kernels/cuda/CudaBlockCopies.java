package dev.weir.kernels.cuda;

import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.CopyChecks;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;

/**
 * Copies of blocks on a stream of their own, of the least priority. Copies into this device's
 * blocks wait for the steps before them by an event of the steps' stream; nothing there waits for
 * this one.
 */
final class CudaBlockCopies implements BlockCopies, AutoCloseable {
  private static final String PURPOSE = "copies of KV blocks";

  private final CudaDevice device;
  private final Context context;
  private final Stream steps;
  private final Stream side;
  private final Event fence;

  /** How much the steps' stream held when {@link #fence} was set last. */
  private long fenced;

  /** Devices that were asked for direct access. */
  private final Set<Context> introduced = new HashSet<>();

  CudaBlockCopies(CudaDevice device) {
    this.device = device;
    context = device.context();
    steps = device.stream();
    side = Stream.ofLeastPriority(context);
    fence = new Event(context, PURPOSE);
  }

  @Override
  public void toHost(KvArena source, int block, MemorySegment hostBlock) {
    CopyChecks.hostBlock(hostBlock, source);
    long from = address(source, block);
    context.enter();
    side.copyOut(hostBlock.address(), from, hostBlock.byteSize(), PURPOSE);
  }

  @Override
  public void fromHost(MemorySegment hostBlock, KvArena destination, int block) {
    CopyChecks.hostBlock(hostBlock, destination);
    long to = address(destination, block);
    context.enter();
    waitForSteps();
    side.copyIn(to, hostBlock.address(), hostBlock.byteSize(), PURPOSE);
  }

  @Override
  public void fromPeer(
      Device peer, KvArena source, int sourceBlock, KvArena destination, int block) {
    if (!(peer instanceof CudaDevice other)) {
      throw CopyChecks.strangers(peer, device);
    }
    CopyChecks.sameShape(source, destination);
    long from = address(source, sourceBlock);
    long to = address(destination, block);
    context.requireUsable();
    other.context().requireUsable();
    introduce(other.context());
    context.enter();
    waitForSteps();
    context.check(
        HotCalls.copyPeer(
            to,
            context.handle(),
            from,
            other.context().handle(),
            source.shape().blockBytes(),
            side.handle()),
        "cuMemcpyPeerAsync",
        PURPOSE);
  }

  @Override
  public void submit(Completion completion) {
    Event event = device.own(completion);
    context.enter();
    event.record(side, PURPOSE);
  }

  private static long address(KvArena arena, int block) {
    Buffer memory = CudaDevice.own(arena.memory());
    return memory.address() + arena.offset(block);
  }

  private void waitForSteps() {
    if (fenced != steps.enqueued()) {
      fence.record(steps);
      fence.holdBack(side);
      fenced = steps.enqueued();
    }
  }

  /**
   * Lets two devices reach each other's memory where the hardware can, so that copies between them
   * take no detour through the host (CUDA programming guide, "Peer-to-Peer Memory Copy").
   */
  private void introduce(Context peer) {
    if (peer.handle() != context.handle() && introduced.add(peer)) {
      context.reach(peer);
      peer.reach(context);
    }
  }

  /** Waits for all copies. */
  void synchronize() {
    side.synchronize(PURPOSE);
  }

  @Override
  public void close() {
    fence.close();
    side.close();
  }
}
