package dev.weir.engine.kv;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks are counted exactly, and what the index finds is what was put there. */
class BlockPoolTest {
  private static final long ROOT = PrefixIndex.root(0, 0);

  /**
   * A sequence as an engine would hold it: its tokens, its blocks, and how far the index knows
   * them.
   */
  private static final class Holder {
    final int[] tokens;
    final BlockTable blocks = new BlockTable(64);

    Holder(int[] tokens) {
      this.tokens = tokens;
    }
  }

  private final PrefixIndex index = new PrefixIndex(24);
  private final BlockPool pool = new BlockPool(0, 24, index);

  /** What each block was filled with by whoever computed it: its whole prefix. */
  private final Map<Integer, List<Integer>> contents = new HashMap<>();

  private boolean take(Holder holder) {
    long parent = ROOT;
    int full = holder.tokens.length / BLOCK_TOKENS;
    while (holder.blocks.size() < full) {
      int block = index.find(parent, holder.tokens, holder.blocks.size() * BLOCK_TOKENS);
      if (block < 0) {
        break;
      }
      pool.retain(block);
      holder.blocks.add(block);
      assertThat(contents.get(block)).isEqualTo(prefix(holder, holder.blocks.size()));
      parent = index.content(block);
    }
    while (holder.blocks.size() < full) {
      int block = pool.allocate();
      if (block < 0) {
        releaseAll(holder.blocks);
        return false;
      }
      int from = holder.blocks.size() * BLOCK_TOKENS;
      holder.blocks.add(block);
      contents.put(block, prefix(holder, holder.blocks.size()));
      parent = index.add(block, parent, holder.tokens, from);
      pool.markIndexed(block);
    }
    return true;
  }

  private static List<Integer> prefix(Holder holder, int blocks) {
    return Arrays.stream(holder.tokens, 0, blocks * BLOCK_TOKENS).boxed().toList();
  }

  /** Few different blocks, so that sequences share prefixes of every length. */
  private static int[] tokens(Random random, int blocks) {
    int[] tokens = new int[blocks * BLOCK_TOKENS];
    for (int block = 0; block < blocks; block++) {
      Arrays.fill(tokens, block * BLOCK_TOKENS, (block + 1) * BLOCK_TOKENS, random.nextInt(3));
    }
    return tokens;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void whateverComesAndGoesEveryBlockIsFreeHeldOrCachedAndHitsAreExact(long seed) {
    Random random = new Random(seed);
    List<Holder> holders = new ArrayList<>();
    int refused = 0;
    for (int step = 0; step < 3000; step++) {
      if (holders.isEmpty() || random.nextInt(3) > 0) {
        Holder holder = new Holder(tokens(random, 1 + random.nextInt(6)));
        if (take(holder)) {
          holders.add(holder);
        } else {
          refused++;
          releaseAll(holders.remove(random.nextInt(holders.size())).blocks);
        }
      } else {
        releaseAll(holders.remove(random.nextInt(holders.size())).blocks);
      }
      assertThat(pool.consistent()).isTrue();
      int[] references = new int[pool.capacity()];
      for (Holder holder : holders) {
        for (int i = 0; i < holder.blocks.size(); i++) {
          references[holder.blocks.get(i)]++;
        }
      }
      for (int block = 0; block < references.length; block++) {
        assertThat(pool.references(block)).isEqualTo(references[block]);
      }
    }
    holders.forEach(holder -> releaseAll(holder.blocks));
    assertThat(refused).isPositive();
    assertThat(pool.held()).isZero();
    assertThat(pool.available()).isEqualTo(pool.capacity());
    pool.clearCached();
    assertThat(pool.cached()).isZero();
    assertThat(pool.consistent()).isTrue();
  }

  @Test
  void givenNoFreeBlockTheLongestReleasedGoesFirstAndContinuationsBeforeWhatTheyContinue() {
    Holder first = new Holder(tokens(new Random(1), 12));
    Holder second = new Holder(Arrays.stream(tokens(new Random(2), 12)).map(i -> i + 10).toArray());
    assertThat(take(first)).isTrue();
    assertThat(take(second)).isTrue();
    int firstsLast = first.blocks.get(11);
    int firstsRoot = first.blocks.get(0);
    releaseAll(first.blocks);
    releaseAll(second.blocks);
    assertThat(pool.allocate()).isEqualTo(firstsLast);
    assertThat(index.find(ROOT, first.tokens, 0)).isEqualTo(firstsRoot);
  }

  @Test
  void theSameTokensBehindAnotherPrefixOrOtherWeightsAreNotFound() {
    int[] tokens = new int[2 * BLOCK_TOKENS];
    int block = pool.allocate();
    long content = index.add(block, ROOT, tokens, 0);
    pool.markIndexed(block);
    assertThat(index.find(ROOT, tokens, BLOCK_TOKENS)).isEqualTo(block);
    assertThat(index.find(content, tokens, BLOCK_TOKENS)).isEqualTo(-1);
    assertThat(index.find(PrefixIndex.root(1, 0), tokens, 0)).isEqualTo(-1);
    assertThat(index.find(PrefixIndex.root(0, 1), tokens, 0)).isEqualTo(-1);
  }

  /** As sequences do: the last block first. */
  private void releaseAll(BlockTable blocks) {
    while (blocks.size() > 0) {
      pool.release(blocks.removeLast());
    }
  }
}
