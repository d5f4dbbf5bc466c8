package dev.weir.engine.kv;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a device gives away may wait in host memory, and comes back as what it was. */
class HostTierTest {
  private static final long ROOT = PrefixIndex.root(0, 0);
  private static final int POOL = 10;
  private static final int DEVICES = 2;
  private static final int TIER = 8;

  /** A block's stand-in: one number that says what it holds. */
  private static final long BYTES = Long.BYTES;

  private final Arena arena = Arena.ofConfined();
  private final PrefixIndex index = new PrefixIndex(DEVICES * POOL + TIER);
  private final MemorySegment memory = arena.allocate(TIER * BYTES, BYTES);
  private final HostTier tier = new HostTier(DEVICES * POOL, memory, BYTES, index);
  private final BlockPool[] pools = {
    new BlockPool(0, POOL, index), new BlockPool(POOL, POOL, index)
  };

  /** What lies in the devices' blocks. */
  private final long[] devices = new long[DEVICES * POOL];

  @AfterEach
  void freeMemory() {
    arena.close();
  }

  private BlockPool owner(int block) {
    return tier.pool().contains(block) ? tier.pool() : pools[block / POOL];
  }

  private long value(int block) {
    return tier.pool().contains(block)
        ? tier.segment(block).get(ValueLayout.JAVA_LONG, 0)
        : devices[block];
  }

  /** Spills a cached block, as its owner does: held meanwhile. */
  private boolean spill(int block) {
    if (tier.copyOf(block) >= 0) {
      return false;
    }
    int to = tier.allocate();
    if (to < 0) {
      return false;
    }
    owner(block).retain(block);
    tier.segment(to).set(ValueLayout.JAVA_LONG, 0, devices[block]);
    tier.keep(to, block);
    owner(block).release(block);
    return true;
  }

  private static int[] tokens(int kind) {
    int[] tokens = new int[BLOCK_TOKENS];
    Arrays.fill(tokens, kind);
    return tokens;
  }

  /** A context in the making: blocks on one device, and what its prefix is worth. */
  private record Context(int device, List<Integer> blocks) {}

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void whateverIsComputedSpilledRestoredAndCopiedAFoundBlockHoldsItsPrefix(long seed) {
    Random random = new Random(seed);
    List<Context> contexts = new ArrayList<>();
    Map<String, Integer> seen = new HashMap<>();
    for (int step = 0; step < 4000; step++) {
      switch (random.nextInt(4)) {
        case 0, 1 -> {
          Context context = compute(random, seen);
          contexts.add(context);
          if (contexts.size() > 3) {
            release(contexts.remove(random.nextInt(contexts.size())));
          }
        }
        case 2 -> {
          if (!contexts.isEmpty()) {
            release(contexts.remove(random.nextInt(contexts.size())));
          }
        }
        default -> {
          BlockPool pool = pools[random.nextInt(DEVICES)];
          int block = pool.oldestCached();
          if (block >= 0 && spill(block)) {
            seen.merge("spilled", 1, Integer::sum);
            assertThat(tier.copyOf(block)).isGreaterThanOrEqualTo(DEVICES * POOL);
            pool.drop(block);
          }
        }
      }
      assertThat(pools[0].consistent()).isTrue();
      assertThat(pools[1].consistent()).isTrue();
      assertThat(tier.pool().consistent()).isTrue();
    }
    contexts.forEach(this::release);
    assertThat(pools[0].held() + pools[1].held() + tier.pool().held()).isZero();
    assertThat(seen).containsOnlyKeys("here", "restored", "pulled", "computed", "spilled");
  }

  /** Gives a new sequence what is found of its prefix, wherever it lies, and computes the rest. */
  private Context compute(Random random, Map<String, Integer> seen) {
    int device = random.nextInt(DEVICES);
    BlockPool pool = pools[device];
    List<Integer> blocks = new ArrayList<>();
    long parent = ROOT;
    long prefix = 1;
    int length = 1 + random.nextInt(5);
    for (int i = 0; i < length; i++) {
      int kind = random.nextInt(2);
      prefix = prefix * 31 + kind;
      int found = index.find(parent, tokens(kind), 0);
      if (found >= 0) {
        assertThat(value(found)).as("what was found").isEqualTo(prefix);
        int here = index.copyIn(found, pool.first(), pool.first() + pool.capacity());
        if (here >= 0) {
          pool.retain(here);
          seen.merge("here", 1, Integer::sum);
          blocks.add(here);
          parent = index.content(here);
          continue;
        }
        owner(found).retain(found);
      }
      int block = pool.allocate();
      if (block < 0) {
        if (found >= 0) {
          owner(found).release(found);
        }
        break;
      }
      blocks.add(block);
      devices[block] = found >= 0 ? value(found) : prefix;
      if (found >= 0) {
        seen.merge(tier.pool().contains(found) ? "restored" : "pulled", 1, Integer::sum);
        index.addCopy(block, found);
        owner(found).release(found);
      } else {
        seen.merge("computed", 1, Integer::sum);
        index.add(block, parent, tokens(kind), 0);
      }
      pool.markIndexed(block);
      parent = index.content(block);
    }
    return new Context(device, blocks);
  }

  private void release(Context context) {
    for (int i = context.blocks.size() - 1; i >= 0; i--) {
      pools[context.device].release(context.blocks.get(i));
    }
  }

  @Test
  void aFullTierGivesItsOldestAwayAndCountsWhatIsOnItsWay() {
    for (int i = 0; i < TIER; i++) {
      int block = pools[0].allocate();
      index.add(block, ROOT, tokens(i), 0);
      pools[0].markIndexed(block);
      devices[block] = i;
      pools[0].release(block);
      assertThat(spill(block)).isTrue();
      pools[0].drop(block);
    }
    int oldest = index.find(ROOT, tokens(0), 0);
    assertThat(tier.pool().contains(oldest)).isTrue();
    tier.pool().retain(oldest); // being restored
    List<Integer> spills = new ArrayList<>();
    for (int i = 1; i < TIER; i++) {
      int expected = index.find(ROOT, tokens(i), 0);
      assertThat(tier.allocate()).isEqualTo(expected);
      spills.add(expected);
    }
    assertThat(tier.allocate()).as("all are on their way").isEqualTo(-1);
    assertThat(value(oldest)).isZero();
    spills.forEach(tier::abandon);
    tier.pool().release(oldest);
    assertThat(tier.pool().cached()).isEqualTo(1);
    assertThat(tier.pool().consistent()).isTrue();
  }

  @Test
  void aTierWithoutMemoryTakesNothingAndHalfABlockIsRefused() {
    HostTier none = new HostTier(DEVICES * POOL, MemorySegment.NULL, BYTES, index);
    assertThat(none.allocate()).isEqualTo(-1);
    assertThat(none.pool().contains(DEVICES * POOL)).isFalse();
    assertThatThrownBy(() -> new HostTier(0, memory.asSlice(1), BYTES, index))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("63 bytes");
  }
}
