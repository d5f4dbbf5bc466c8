package dev.weir.engine.session;

import java.util.Arrays;

/**
 * One conversation. Its context is remembered block by block: what the block is called in the
 * prefix index, and a print of all tokens up to its end, by which the context is recognised even
 * when its KV is gone.
 */
public final class Session {
  final String id;
  int active;
  long turns;
  int tokens;
  int shard = -1;
  long idleSince;
  long leaseEnd;
  boolean leaseRanOut;

  /** Its owner wants nothing of it kept, whatever still runs. */
  boolean removed;

  // Per full block of the context: its cell and content in the index, which block is leased (or
  // none), and the print.
  long[] hashes = new long[0];
  long[] contents = new long[0];
  int[] leased = new int[0];
  long[] prints = new long[0];
  int blocks;

  Session(String id) {
    this.id = id;
  }

  /** The shard of its last turn, or -1. */
  public int shard() {
    return shard;
  }

  /** Room for a context of so many blocks; what is there stays. */
  void grow(int count) {
    if (count > hashes.length) {
      int room = Math.max(count, hashes.length + hashes.length / 2);
      hashes = Arrays.copyOf(hashes, room);
      contents = Arrays.copyOf(contents, room);
      leased = Arrays.copyOf(leased, room);
      prints = Arrays.copyOf(prints, room);
    }
  }
}
