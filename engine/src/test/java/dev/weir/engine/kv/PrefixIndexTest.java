package dev.weir.engine.kv;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same contents in several blocks are one thing to find, until the last block is gone. */
class PrefixIndexTest {
  private static final long ROOT = PrefixIndex.root(0, 0);

  /** Few blocks and kinds of tokens: cells collide, and contents come again. */
  private static final int BLOCKS = 24;

  private static final int KINDS = 3;

  private static final int PARENTS = 5;

  private static int[] tokens(int kind) {
    int[] tokens = new int[BLOCK_TOKENS];
    Arrays.fill(tokens, kind);
    return tokens;
  }

  /** What a block is to hold: tokens of one kind behind a parent. */
  private record Key(long parent, int kind) {}

  /** Says the same as the index, from plain maps. */
  private static final class Model {
    final Map<Integer, Key> keys = new HashMap<>();
    final Map<Integer, Long> contents = new HashMap<>();

    Set<Integer> copies(Key key) {
      Set<Integer> blocks = new TreeSet<>();
      keys.forEach(
          (block, other) -> {
            if (other.equals(key)) {
              blocks.add(block);
            }
          });
      return blocks;
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void whateverIsAddedCopiedAndRemovedTheIndexFindsWhatAPlainMapFinds(long seed) {
    Random random = new Random(seed);
    PrefixIndex index = new PrefixIndex(BLOCKS);
    Model model = new Model();
    Set<Long> ever = new HashSet<>();
    List<Long> parents = new ArrayList<>(List.of(ROOT, PrefixIndex.root(1, 0)));
    int mostCopies = 0;
    for (int step = 0; step < 6000; step++) {
      int block = random.nextInt(BLOCKS);
      Key key = new Key(parents.get(random.nextInt(parents.size())), random.nextInt(KINDS));
      if (!model.keys.containsKey(block)) {
        int equal = index.find(key.parent, tokens(key.kind), 0);
        long content;
        if (equal >= 0) {
          index.addCopy(block, equal);
          content = index.content(equal);
        } else {
          content = index.add(block, key.parent, tokens(key.kind), 0);
          assertThat(ever.add(content)).as("a content id of its own").isTrue();
        }
        model.keys.put(block, key);
        model.contents.put(block, content);
        if (parents.size() < PARENTS) {
          parents.add(content);
        }
      } else if (random.nextInt(3) > 0) {
        index.remove(block);
        model.keys.remove(block);
        model.contents.remove(block);
        parents.removeIf(parent -> parent > 0 && random.nextInt(8) == 0);
      }
      mostCopies = Math.max(mostCopies, model.copies(key).size());
      assertSame(index, model, key, random);
    }
    assertThat(mostCopies).isGreaterThan(3);
    model.keys.keySet().forEach(index::remove);
    for (long parent : parents) {
      for (int kind = 0; kind < KINDS; kind++) {
        assertThat(index.find(parent, tokens(kind), 0)).isEqualTo(-1);
      }
    }
  }

  private static void assertSame(PrefixIndex index, Model model, Key key, Random random) {
    Set<Integer> copies = model.copies(key);
    int found = index.find(key.parent, tokens(key.kind), 0);
    if (copies.isEmpty()) {
      assertThat(found).isEqualTo(-1);
    } else {
      assertThat(copies).contains(found);
      int from = random.nextInt(BLOCKS);
      int to = from + random.nextInt(BLOCKS - from + 1);
      int copy = index.copyIn(found, from, to);
      if (copies.stream().noneMatch(block -> block >= from && block < to)) {
        assertThat(copy).isEqualTo(-1);
      } else {
        assertThat(copies).contains(copy);
        assertThat(copy).isBetween(from, to - 1);
      }
    }
    for (int block = 0; block < BLOCKS; block++) {
      Long content = model.contents.get(block);
      assertThat(index.contains(block)).isEqualTo(content != null);
      if (content != null) {
        assertThat(index.content(block)).isEqualTo(content);
        assertThat(index.holds(block, content)).isTrue();
        assertThat(index.holds(block, content + 1)).isFalse();
      }
    }
  }

  @Test
  void ofThreeCopiesAnyTwoMayGoInAnyOrder() {
    for (int[] order :
        new int[][] {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
      PrefixIndex index = new PrefixIndex(BLOCKS);
      long content = index.add(0, ROOT, tokens(1), 0);
      index.addCopy(1, 0);
      index.addCopy(2, 1);
      long child = index.add(9, content, tokens(2), 0);
      for (int gone = 0; gone < order.length; gone++) {
        assertThat(index.content(order[gone])).isEqualTo(content);
        index.remove(order[gone]);
        assertThat(index.holds(order[gone], content)).isFalse();
        List<Integer> left = new ArrayList<>();
        for (int later = gone + 1; later < order.length; later++) {
          left.add(order[later]);
        }
        if (left.isEmpty()) {
          left.add(-1);
        }
        assertThat(index.find(ROOT, tokens(1), 0)).isIn(left);
        assertThat(index.find(content, tokens(2), 0)).isEqualTo(9);
      }
      assertThat(index.add(0, ROOT, tokens(1), 0)).isGreaterThan(child);
    }
  }

  @Test
  void theBlockItselfIsTheFirstCopyLookedAt() {
    PrefixIndex index = new PrefixIndex(BLOCKS);
    index.add(3, ROOT, tokens(1), 0);
    index.addCopy(12, 3);
    index.addCopy(20, 3);
    assertThat(index.copyIn(12, 0, BLOCKS)).isEqualTo(12);
    assertThat(index.copyIn(12, 0, 8)).isEqualTo(3);
    assertThat(index.copyIn(12, 16, 24)).isEqualTo(20);
    assertThat(index.copyIn(12, 4, 12)).isEqualTo(-1);
    assertThat(index.copyIn(12, 5, 5)).isEqualTo(-1);
  }
}
