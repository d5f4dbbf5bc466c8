package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.kv.PrefixIndex;
import dev.weir.kernels.KvShape;

/**
 * A share of the device's KV blocks, with its own index over them. Decides nothing: it gives a
 * sequence the blocks it needs, finds what is cached, and remembers what was computed.
 */
final class Shard {
  private static final int B = KvShape.BLOCK_TOKENS;

  private final int number;
  private final PrefixIndex index;
  private final BlockPool pool;
  private final boolean reusePrefixes;
  private final long root;

  /**
   * @param reusePrefixes whether computed blocks are found again
   */
  Shard(int number, int blocks, boolean reusePrefixes) {
    this.number = number;
    index = new PrefixIndex(blocks);
    pool = new BlockPool(blocks, index);
    this.reusePrefixes = reusePrefixes;
    root = PrefixIndex.root(0, 0);
  }

  int number() {
    return number;
  }

  BlockPool pool() {
    return pool;
  }

  /**
   * Gives a sequence that holds nothing the cached blocks of its tokens. The last token is never
   * taken from the cache: its logits are wanted.
   */
  void reuse(Sequence sequence) {
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
      pool.retain(block);
      sequence.blocks.add(block);
      sequence.indexedContent = index.content(block);
      sequence.indexedBlocks++;
      sequence.computed += B;
    }
  }

  /**
   * Puts blocks that have become full into the index.
   *
   * @param computed tokens whose KV is in the cache: computed by steps that are done, not merely
   *     launched, so that a step that fails leaves nothing to be found
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
        pool.markIndexed(block);
      }
      sequence.indexedBlocks++;
    }
  }

  /** Takes all blocks from a sequence; what is indexed can be found again. */
  void release(Sequence sequence) {
    pool.releaseAll(sequence.blocks);
    sequence.computed = 0;
    sequence.indexedBlocks = 0;
  }
}
