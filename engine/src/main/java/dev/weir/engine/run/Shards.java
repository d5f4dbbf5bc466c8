package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.kv.PrefixIndex;
import dev.weir.engine.plan.Placement;
import dev.weir.kernels.KvShape;

/**
 * The KV blocks of one device, parted among its shards, with one index over all of them: a prefix
 * that one shard holds is shared, not copied, by sequences of the others. Decides nothing: it gives
 * a sequence the blocks it needs, finds what is cached, and remembers what was computed.
 */
final class Shards {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int ONE_DEVICE = 0;

  private final BlockPool[] pools;
  private final int quota;
  private final PrefixIndex index;
  private final boolean reusePrefixes;
  private final long root;
  private final Placement placement;

  /**
   * @param count how many shards
   * @param blocks of the device; each shard gets the same number, the last one what is left over
   *     too
   * @param reusePrefixes whether computed blocks are found again
   */
  Shards(int count, int blocks, boolean reusePrefixes) {
    if (count < 1 || blocks < count) {
      throw new IllegalArgumentException(
          blocks + " KV blocks cannot be parted into " + count + " shards");
    }
    index = new PrefixIndex(blocks);
    quota = blocks / count;
    pools = new BlockPool[count];
    for (int shard = 0; shard < count; shard++) {
      int first = shard * quota;
      int capacity = shard == count - 1 ? blocks - first : quota;
      pools[shard] = new BlockPool(first, capacity, index);
    }
    placement = new Placement(count, 1);
    this.reusePrefixes = reusePrefixes;
    root = PrefixIndex.root(0, 0);
  }

  int count() {
    return pools.length;
  }

  BlockPool pool(int shard) {
    return pools[shard];
  }

  /** Blocks of the smallest shard: what one sequence can have. */
  int quota() {
    return quota;
  }

  int capacity() {
    int blocks = 0;
    for (BlockPool pool : pools) {
      blocks += pool.capacity();
    }
    return blocks;
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

  /** The shard whose pool a block is of. */
  int owner(int block) {
    return Math.min(block / quota, pools.length - 1);
  }

  /**
   * Gives a sequence the blocks of all its tokens: cached ones from any shard, new ones from the
   * shard it is placed on. It gets all or none.
   *
   * @return whether there was room
   */
  boolean place(Sequence sequence) {
    reuse(sequence);
    int shared = sequence.blocks.size();
    int missing = Sequence.blocksFor(sequence.length()) - shared;
    for (int shard = 0; shard < pools.length; shard++) {
      BlockPool pool = pools[shard];
      placement.shard(shard, ONE_DEVICE, pool.capacity(), pool.held(), pool.available(), true);
    }
    placement.device(ONE_DEVICE, 0, 0, missing);
    int preferred = shared == 0 ? Placement.ANYWHERE : owner(sequence.blocks.get(shared - 1));
    int shard = placement.choose(preferred);
    if (shard == Placement.NOWHERE) {
      release(sequence);
      return false;
    }
    sequence.shard = shard;
    for (int i = 0; i < missing; i++) {
      sequence.blocks.add(pools[shard].allocate());
    }
    return true;
  }

  /**
   * Gives a sequence that holds nothing the cached blocks of its tokens. The last token is never
   * taken from the cache: its logits are wanted.
   */
  private void reuse(Sequence sequence) {
    assert sequence.blocks.size() == 0 && sequence.computed == 0;
    sequence.indexedContent = root;
    sequence.indexedBlocks = 0;
    if (!reusePrefixes) {
      return;
    }
    for (int from = 0; from + B < sequence.length(); from += B) {
      int block = index.find(sequence.indexedContent, sequence.tokens(), from);
      if (block < 0) {
        break;
      }
      pools[owner(block)].retain(block);
      sequence.blocks.add(block);
      sequence.indexedContent = index.content(block);
      sequence.indexedBlocks++;
      sequence.computed += B;
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
    while ((sequence.indexedBlocks + 1) * B <= computed) {
      int block = sequence.blocks.get(sequence.indexedBlocks);
      int from = sequence.indexedBlocks * B;
      int equal = index.find(sequence.indexedContent, sequence.tokens(), from);
      if (equal >= 0) {
        sequence.indexedContent =
            index.content(equal); // computed twice at the same time; one is enough
      } else {
        sequence.indexedContent =
            index.add(block, sequence.indexedContent, sequence.tokens(), from);
        pools[owner(block)].markIndexed(block);
      }
      sequence.indexedBlocks++;
    }
  }

  /** Whether a sequence holds a block of a shard's pool, its own or a shared one. */
  boolean holdsOf(Sequence sequence, int shard) {
    for (int i = 0; i < sequence.blocks.size(); i++) {
      if (owner(sequence.blocks.get(i)) == shard) {
        return true;
      }
    }
    return false;
  }

  /** Takes all blocks from a sequence, the last first; what is indexed can be found again. */
  void release(Sequence sequence) {
    while (sequence.blocks.size() > 0) {
      int block = sequence.blocks.removeLast();
      pools[owner(block)].release(block);
    }
    sequence.computed = 0;
    sequence.indexedBlocks = 0;
  }

  /** Whether every block of every pool is in one state; for assertions and tests. */
  boolean consistent() {
    for (BlockPool pool : pools) {
      if (!pool.consistent()) {
        return false;
      }
    }
    return true;
  }
}
