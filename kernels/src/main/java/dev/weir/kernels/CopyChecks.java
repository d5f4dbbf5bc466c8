package dev.weir.kernels;

import java.lang.foreign.MemorySegment;

/** What every device asks of a block's copy. Allocates nothing where all is well. */
public final class CopyChecks {
  private CopyChecks() {}

  /** Throws unless a segment is the host's side of one block. */
  public static void hostBlock(MemorySegment hostBlock, KvArena arena) {
    long bytes = arena.shape().blockBytes();
    if (hostBlock.byteSize() != bytes || !hostBlock.isNative()) {
      throw new IllegalArgumentException(
          "a block is copied to and from "
              + bytes
              + " bytes of native memory, not "
              + hostBlock.byteSize()
              + (hostBlock.isNative() ? "" : " on the heap"));
    }
  }

  /** Throws unless a block of the one arena is a block of the other. */
  public static void sameShape(KvArena source, KvArena destination) {
    if (!source.shape().equals(destination.shape())) {
      throw new IllegalArgumentException(
          "blocks of " + source.shape() + " are no blocks of " + destination.shape());
    }
  }

  /** The exception for two devices that keep blocks in different forms. */
  public static IllegalArgumentException strangers(Device peer, Device device) {
    return new IllegalArgumentException(
        "KV blocks of "
            + peer.name()
            + " mean nothing to "
            + device.name()
            + ": they are copied between devices of one kind only");
  }
}
