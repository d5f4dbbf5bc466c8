package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.kv.HostTier;
import dev.weir.engine.kv.PrefixIndex;
import dev.weir.kernels.KvShape;
import java.lang.foreign.MemorySegment;

/**
 * The KV blocks of all devices, parted among their shards, and those of host memory behind them,
 * with one index over all: what one shard holds is shared by the others of its device, and copied
 * to those of another. Decides nothing: it finds what is cached and where, gives a sequence its
 * blocks, and remembers what was computed.
 */
final class Shards {
  private static final int B = KvShape.BLOCK_TOKENS;

  /** There is no such block. */
  static final int NONE = -1;

  private final BlockPool[] pools;
  private final HostTier host;
  private final int perDevice;
  private final boolean[] open;
  private final int quota;

  /** The first block of each device, then that of host memory, then the end. */
  private final int[] firsts;

  private final short[] owners;
  private final PrefixIndex index;
  private final boolean reusePrefixes;
  private final long root;

  // What look() has found: one block for each of the context's, and for each the block on the
  // device that take() was asked for.
  private final int[] context;
  private final int[] taken;
  private int contextBlocks;

  private long left;

  /**
   * @param deviceBlocks KV blocks of each device
   * @param count how many shards in all; each device has as many as the others, and each shard of a
   *     device the same number of blocks, the last one what is left over too
   * @param hostMemory for contexts that are idle; whole blocks, possibly none
   * @param blockBytes bytes of a block
   * @param mostBlocks the most blocks of a sequence
   * @param reusePrefixes whether computed blocks are found again
   */
  Shards(
      int[] deviceBlocks,
      int count,
      MemorySegment hostMemory,
      long blockBytes,
      int mostBlocks,
      boolean reusePrefixes) {
    int devices = deviceBlocks.length;
    if (count < devices || count % devices != 0) {
      throw new IllegalArgumentException(
          "%d shard(s) cannot be parted evenly among %d device(s)".formatted(count, devices));
    }
    perDevice = count / devices;
    pools = new BlockPool[count];
    open = new boolean[count];
    firsts = new int[devices + 2];
    for (int device = 0; device < devices; device++) {
      firsts[device + 1] = Math.addExact(firsts[device], deviceBlocks[device]);
    }
    int hostBlocks = Math.toIntExact(hostMemory.byteSize() / blockBytes);
    int all = Math.addExact(firsts[devices], hostBlocks);
    firsts[devices + 1] = all;
    index = new PrefixIndex(all);
    owners = new short[firsts[devices]];
    int smallest = Integer.MAX_VALUE;
    for (int shard = 0; shard < count; shard++) {
      int device = shard / perDevice;
      int part = deviceBlocks[device] / perDevice;
      if (part < 1) {
        throw new IllegalArgumentException(
            deviceBlocks[device] + " KV blocks cannot be parted into " + perDevice + " shards");
      }
      int first = firsts[device] + shard % perDevice * part;
      int end = shard % perDevice == perDevice - 1 ? firsts[device + 1] : first + part;
      pools[shard] = new BlockPool(first, end - first, index);
      open[shard] = true;
      for (int block = first; block < end; block++) {
        owners[block] = (short) shard;
      }
      smallest = Math.min(smallest, part);
    }
    quota = smallest;
    host = new HostTier(firsts[devices], hostMemory, blockBytes, index);
    context = new int[mostBlocks];
    taken = new int[mostBlocks];
    this.reusePrefixes = reusePrefixes;
    root = PrefixIndex.root(0, 0);
  }

  int count() {
    return pools.length;
  }

  BlockPool pool(int shard) {
    return pools[shard];
  }

  /** The blocks of host memory. */
  HostTier host() {
    return host;
  }

  PrefixIndex index() {
    return index;
  }

  /** The parent of all first blocks in the index. */
  long root() {
    return root;
  }

  int device(int shard) {
    return shard / perDevice;
  }

  /** The first block of a device. */
  int firstBlock(int device) {
    return firsts[device];
  }

  /** How many blocks a device has. */
  int blocksOf(int device) {
    return firsts[device + 1] - firsts[device];
  }

  /** The first shard of a device. */
  int firstOf(int device) {
    return device * perDevice;
  }

  /** The shard that a device's block is of. */
  int shardOf(int block) {
    return owners[block];
  }

  boolean reusesPrefixes() {
    return reusePrefixes;
  }

  /** Whether a shard takes sequences. */
  boolean open(int shard) {
    return open[shard];
  }

  /** Blocks of the smallest shard: what one sequence can have. */
  int quota() {
    return quota;
  }

  /** The pool that a block is of. */
  BlockPool owner(int block) {
    return inHostMemory(block) ? host.pool() : pools[owners[block]];
  }

  boolean inHostMemory(int block) {
    return block >= owners.length;
  }

  /** The device whose arena a block lies in. */
  int deviceOfBlock(int block) {
    return device(owners[block]);
  }

  /** A block's number in its device's arena. */
  int local(int block) {
    return block - firsts[deviceOfBlock(block)];
  }

  int capacity() {
    return owners.length;
  }

  int held() {
    int blocks = 0;
    for (BlockPool pool : pools) {
      blocks += pool.held();
    }
    return blocks;
  }

  int cached() {
    int blocks = 0;
    for (BlockPool pool : pools) {
      blocks += pool.cached();
    }
    return blocks;
  }

  /**
   * Looks where the context of a sequence that holds nothing lies. The last token is never taken
   * from the cache: its logits are wanted.
   *
   * @return how many of its blocks lie anywhere
   */
  int look(Sequence sequence) {
    return look(sequence.tokens(), sequence.length());
  }

  /** The same for the first of some tokens. */
  int look(int[] tokens, int length) {
    contextBlocks = 0;
    long content = root;
    for (int from = 0; reusePrefixes && from + B < length; from += B) {
      int block = index.find(content, tokens, from);
      if (block < 0) {
        break;
      }
      context[contextBlocks++] = block;
      content = index.content(block);
    }
    return contextBlocks;
  }

  /**
   * Where the index-th block of the context that was looked for lies on a device, or {@link #NONE}.
   */
  int onDevice(int at, int device) {
    return index.copyIn(context[at], firsts[device], firsts[device + 1]);
  }

  /** Where the index-th block of the context lies best: on any device, else in host memory. */
  int anywhere(int at) {
    int block = index.copyIn(context[at], 0, owners.length);
    return block >= 0 ? block : context[at];
  }

  /**
   * The shard of the last block of the context that lies on a device; {@link #NONE} if none does.
   */
  int home() {
    for (int at = contextBlocks - 1; at >= 0; at--) {
      int block = anywhere(at);
      if (!inHostMemory(block)) {
        return owners[block];
      }
    }
    return NONE;
  }

  /**
   * Gives a sequence that was just looked for the blocks of all its tokens: those of its context
   * that lie on the shard's device are shared, the rest of it is to be copied, and all other blocks
   * are new. It gets all or none.
   *
   * @param use how many blocks of the context it takes
   * @return whether there was room; then {@code sequence.move} says what is to be copied
   */
  boolean take(Sequence sequence, int shard, int use) {
    assert sequence.blocks.size() == 0 && sequence.computed == 0 && use <= contextBlocks;
    int device = device(shard);
    int missing = 0;
    for (int at = 0; at < use; at++) { // first what is there, so that nothing new displaces it
      taken[at] = onDevice(at, device);
      missing += taken[at] < 0 ? 1 : 0;
      int block = taken[at] < 0 ? anywhere(at) : taken[at];
      context[at] = block;
      owner(block).retain(block);
    }
    int fresh = Sequence.blocksFor(sequence.length()) - use;
    if (missing + fresh > pools[shard].available()) {
      for (int at = use - 1; at >= 0; at--) {
        owner(context[at]).release(context[at]);
      }
      return false;
    }
    ContextMove move = missing == 0 ? null : new ContextMove(sequence, device, missing);
    for (int at = 0; at < use; at++) {
      int block = taken[at];
      if (block < 0) {
        block = pools[shard].allocate();
        pools[shard].retain(block); // the move's own
        if (move != null) {
          move.add(context[at], block);
        }
      }
      sequence.blocks.add(block);
    }
    for (int i = 0; i < fresh; i++) {
      sequence.blocks.add(pools[shard].allocate());
    }
    sequence.shard = shard;
    sequence.move = move;
    sequence.indexedContent = use == 0 ? root : index.content(context[use - 1]);
    sequence.indexedBlocks = use;
    sequence.computed = use * B;
    return true;
  }

  /** How many blocks of a sequence's context come from host memory. */
  int restored(Sequence sequence) {
    ContextMove move = sequence.move;
    return move == null ? 0 : restored(move);
  }

  /** How many of a move's blocks come from host memory. */
  int restored(ContextMove move) {
    int restored = 0;
    for (int i = 0; i < move.count(); i++) {
      restored += inHostMemory(move.source(i)) ? 1 : 0;
    }
    return restored;
  }

  /**
   * All of a move's pairs were copied: the destinations are findable from now on, and the sequence
   * can go on.
   */
  void arrived(ContextMove move) {
    int first = firsts[move.device];
    int end = firsts[move.device + 1];
    for (int i = 0; i < move.count(); i++) {
      int block = move.destination(i);
      if (index.copyIn(move.source(i), first, end) < 0) {
        index.addCopy(block, move.source(i));
        owner(block).markIndexed(block);
      }
    }
    move.sequence.move = null;
    letGo(move);
  }

  /** Drops a move's references; none of its copies is under way any more. */
  void letGo(ContextMove move) {
    for (int i = move.count() - 1; i >= 0; i--) {
      owner(move.destination(i)).release(move.destination(i));
      owner(move.source(i)).release(move.source(i));
    }
  }

  /**
   * Puts blocks that have become full into the index.
   *
   * @param computed how many of the sequence's tokens are in the cache for certain
   */
  void remember(Sequence sequence, int computed) {
    if (!reusePrefixes) {
      return;
    }
    int device = device(sequence.shard);
    while ((sequence.indexedBlocks + 1) * B <= computed) {
      int block = sequence.blocks.get(sequence.indexedBlocks);
      int from = sequence.indexedBlocks * B;
      int equal = index.find(sequence.indexedContent, sequence.tokens(), from);
      if (equal < 0) {
        sequence.indexedContent =
            index.add(block, sequence.indexedContent, sequence.tokens(), from);
        owner(block).markIndexed(block);
      } else {
        sequence.indexedContent = index.content(equal);
        // Computed twice at the same time: one is enough for a device.
        if (index.copyIn(equal, firsts[device], firsts[device + 1]) < 0) {
          index.addCopy(block, equal);
          owner(block).markIndexed(block);
        }
      }
      sequence.indexedBlocks++;
    }
  }

  /** Blocks of a device that could be allocated now. */
  int available(int device) {
    int blocks = 0;
    for (int shard = firstOf(device); shard < firstOf(device + 1); shard++) {
      blocks += pools[shard].available();
    }
    return blocks;
  }

  /**
   * A block for a sequence that grows: of its shard, or else of that shard of the same device which
   * has the most left. Quotas decide where sequences go; nobody is thrown out while its device has
   * memory.
   *
   * @return the block, or -1 if every block of the device is held
   */
  int allocate(int shard) {
    int best = shard;
    for (int other = firstOf(device(shard)); other < firstOf(device(shard) + 1); other++) {
      boolean exhausted = pools[best].available() == 0;
      if (exhausted || (best != shard && pools[other].available() > pools[best].available())) {
        best = other;
      }
    }
    return pools[best].allocate();
  }

  /**
   * How often something was given back: a block, or what else a sequence had when it left. Whoever
   * finds no room need not look again before this grows. (Fewer blocks may be wanted once others
   * have computed some of the context; but whoever runs gives something back before long.)
   */
  long givenBack() {
    long count = left;
    for (BlockPool pool : pools) {
      count += pool.returned();
    }
    return count;
  }

  /** Takes all blocks from a sequence, the last first; what is indexed can be found again. */
  void release(Sequence sequence) {
    assert sequence.move == null : "a move that goes on holds on to its sequence";
    left++;
    while (sequence.blocks.size() > 0) {
      int block = sequence.blocks.removeLast();
      owner(block).release(block);
    }
    sequence.computed = 0;
    sequence.indexedBlocks = 0;
  }

  /** A device is lost: nothing on it is found any more, and its shards take nothing. */
  void close(int device) {
    for (int shard = 0; shard < pools.length; shard++) {
      if (device(shard) == device) {
        open[shard] = false;
        pools[shard].clearCached();
      }
    }
  }

  /** Whether every block of every pool is in one state; for assertions and tests. */
  boolean consistent() {
    for (BlockPool pool : pools) {
      if (!pool.consistent()) {
        return false;
      }
    }
    return host.pool().consistent();
  }
}
