package dev.weir.engine.kv;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.SequencedSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Leased blocks are given away last, and still are given away. */
class LeasedBlocksTest {
  private static final int FIRST = 7;
  private static final int BLOCKS = 12;

  private final PrefixIndex index = new PrefixIndex(FIRST + BLOCKS);
  private final BlockPool pool = new BlockPool(FIRST, BLOCKS, index);
  private int contents;

  /** Fills a held block with what nothing else holds. */
  private void fill(int block) {
    int[] tokens = new int[BLOCK_TOKENS];
    Arrays.fill(tokens, ++contents);
    index.add(block, PrefixIndex.root(0, 0), tokens, 0);
    pool.markIndexed(block);
  }

  private int cachedBlock() {
    int block = pool.allocate();
    fill(block);
    pool.release(block);
    return block;
  }

  /** The pool again, from plain collections. */
  private static final class Model {
    final Set<Integer> free = new HashSet<>();
    final SequencedSet<Integer> unleased = new LinkedHashSet<>();
    final SequencedSet<Integer> leased = new LinkedHashSet<>();
    final int[] references = new int[FIRST + BLOCKS];
    final int[] leases = new int[FIRST + BLOCKS];
    final boolean[] indexed = new boolean[FIRST + BLOCKS];

    SequencedSet<Integer> listOf(int block) {
      return leases[block] > 0 ? leased : unleased;
    }

    boolean cached(int block) {
      return unleased.contains(block) || leased.contains(block);
    }

    int nextToGo() {
      if (!unleased.isEmpty()) {
        return unleased.getFirst();
      }
      return leased.isEmpty() ? -1 : leased.getFirst();
    }

    void drop(int block) {
      unleased.remove(block);
      leased.remove(block);
      indexed[block] = false;
      leases[block] = 0;
      free.add(block);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void whateverIsLeasedHeldAndDroppedThePoolDoesWhatPlainListsDo(long seed) {
    Random random = new Random(seed);
    Model model = new Model();
    IntStream.range(FIRST, FIRST + BLOCKS).forEach(model.free::add);
    int givenAwayUnderLease = 0;
    for (int step = 0; step < 10_000; step++) {
      int block = FIRST + random.nextInt(BLOCKS);
      boolean held = model.references[block] > 0;
      boolean cached = model.cached(block);
      switch (random.nextInt(10)) {
        case 0, 1, 2 -> {
          int expected = model.nextToGo();
          int allocated = pool.allocate();
          if (model.free.isEmpty()) {
            assertThat(allocated).isEqualTo(expected);
            if (allocated >= 0) {
              givenAwayUnderLease += model.leased.contains(allocated) ? 1 : 0;
              model.drop(allocated);
            }
          }
          if (allocated >= 0) {
            assertThat(model.free.remove(allocated)).isTrue();
            model.references[allocated] = 1;
          }
        }
        case 3 -> {
          if (held && !model.indexed[block]) {
            fill(block);
            model.indexed[block] = true;
          }
        }
        case 4 -> {
          if (held || cached) {
            pool.retain(block);
            model.listOf(block).remove(block);
            model.references[block]++;
          }
        }
        case 5, 6, 7 -> {
          if (held) {
            pool.release(block);
            if (--model.references[block] == 0) {
              if (model.indexed[block]) {
                model.listOf(block).add(block);
              } else {
                model.drop(block);
              }
            }
          }
        }
        case 8 -> {
          if (held || cached) {
            pool.lease(block);
            model.leases[block]++;
            if (model.unleased.remove(block)) {
              model.leased.add(block);
            }
          }
        }
        default -> {
          if (random.nextInt(20) == 0 && cached) {
            pool.drop(block);
            model.drop(block);
          } else {
            pool.unlease(block);
            model.leases[block] = Math.max(0, model.leases[block] - 1);
            if (model.leases[block] == 0 && model.leased.remove(block)) {
              model.unleased.add(block);
            }
          }
        }
      }
      assertThat(pool.consistent()).isTrue();
      assertThat(pool.oldestCached()).isEqualTo(model.nextToGo());
      assertThat(pool.leased()).isEqualTo(model.leased.size());
      assertThat(pool.cached()).isEqualTo(model.leased.size() + model.unleased.size());
      assertThat(pool.available()).isEqualTo(pool.cached() + model.free.size());
      assertThat(pool.references(block)).isEqualTo(model.references[block]);
      assertThat(index.contains(block)).isEqualTo(model.indexed[block]);
    }
    assertThat(givenAwayUnderLease).isPositive();
  }

  @Test
  void leasedBlocksGoAfterAllOthersAndOldestFirst() {
    List<Integer> blocks = new ArrayList<>();
    for (int i = 0; i < BLOCKS; i++) {
      int block = pool.allocate();
      fill(block);
      blocks.add(block);
    }
    blocks.forEach(pool::release);
    pool.lease(blocks.get(0));
    pool.lease(blocks.get(3));
    assertThat(pool.leased()).isEqualTo(2);
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < BLOCKS; i++) {
      assertThat(pool.oldestCached()).isPositive();
      order.add(pool.allocate());
    }
    List<Integer> expected = new ArrayList<>(blocks);
    expected.removeAll(List.of(blocks.get(0), blocks.get(3)));
    expected.addAll(List.of(blocks.get(0), blocks.get(3)));
    assertThat(order).isEqualTo(expected);
    assertThat(pool.allocate()).as("a lease keeps nobody waiting, holders do").isEqualTo(-1);
    assertThat(pool.oldestCached()).isEqualTo(-1);
  }

  @Test
  void aBlockOfTwoLeasesStaysLeasedUntilBothEnd() {
    int block = cachedBlock();
    pool.lease(block);
    pool.lease(block);
    pool.unlease(block);
    assertThat(pool.leased()).isEqualTo(1);
    pool.retain(block);
    assertThat(pool.leased()).isZero();
    pool.release(block);
    assertThat(pool.leased()).isEqualTo(1);
    pool.unlease(block);
    assertThat(pool.leased()).isZero();
    assertThat(pool.cached()).isEqualTo(1);
    pool.unlease(block);
    assertThat(pool.consistent()).isTrue();
  }

  @Test
  void aLeaseEndsWithTheContentsAndWhoLookedSeesIt() {
    int block = cachedBlock();
    long content = index.content(block);
    pool.lease(block);
    assertThat(index.holds(block, content)).isTrue();
    pool.drop(block);
    assertThat(index.holds(block, content)).isFalse();
    assertThat(pool.cached()).isZero();
    int again = cachedBlock();
    assertThat(again).isEqualTo(block);
    assertThat(pool.leased()).isZero();
    assertThat(index.holds(block, content)).isFalse();
  }

  @Test
  void whatIsNotCachedCannotBeDroppedAndWhatIsFreeCannotBeLeased() {
    int held = pool.allocate();
    fill(held);
    assertThatThrownBy(() -> pool.drop(held)).isInstanceOf(AssertionError.class);
    assertThatThrownBy(() -> pool.lease(held + 1)).isInstanceOf(AssertionError.class);
    assertThat(pool.contains(FIRST - 1)).isFalse();
    assertThat(pool.contains(FIRST + BLOCKS)).isFalse();
    assertThat(pool.contains(held)).isTrue();
  }
}
