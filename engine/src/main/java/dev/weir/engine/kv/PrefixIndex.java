package dev.weir.engine.kv;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;

import java.util.Arrays;

/**
 * Finds full KV blocks by what they hold: the block's token ids, behind exactly one prefix. The key
 * is a hash; what a lookup returns is verified, token by token and parent by parent, so a hash
 * collision costs time and never gives wrong KV.
 *
 * <p>Each indexed block gets a number that is never used again, its <i>content id</i>; a block's
 * parent is named by content id, not by block number, so a block whose parent was given away and
 * reused can no longer be reached. Prefixes of different weights versions or salts start from
 * different roots.
 *
 * <p>Open addressing with linear probing; sized once for all blocks; nothing is allocated
 * afterwards.
 */
public final class PrefixIndex {
  private static final int NONE = -1;

  /** Twice as many cells as blocks at least: short probes. */
  private static final int CELLS_PER_BLOCK = 2;

  private final int[] cells;
  private final int cellMask;

  private final long[] hashes;
  private final long[] parents;
  private final long[] contents;
  private final int[] tokens;
  private long lastContent;

  /**
   * @param blocks how many blocks the pool has
   */
  public PrefixIndex(int blocks) {
    int size = Integer.highestOneBit(Math.max(2, blocks * CELLS_PER_BLOCK - 1)) << 1;
    cells = new int[size];
    cellMask = size - 1;
    Arrays.fill(cells, NONE);
    hashes = new long[blocks];
    parents = new long[blocks];
    contents = new long[blocks];
    tokens = new int[blocks * BLOCK_TOKENS];
  }

  /**
   * The parent of every first block of one kind of prefix.
   *
   * @param weightsVersion the weights that computed the KV
   * @param salt keeps prefixes of different owners apart; 0 shares them
   */
  public static long root(int weightsVersion, int salt) {
    // Content ids count up from 1, roots are negative: they never meet.
    return Long.MIN_VALUE | ((long) weightsVersion << Integer.SIZE) | Integer.toUnsignedLong(salt);
  }

  /**
   * The block that holds {@code ids[from … from + BLOCK_TOKENS - 1]} behind the given parent.
   *
   * @return the block, or -1
   */
  public int find(long parent, int[] ids, int from) {
    long hash = hash(parent, ids, from);
    for (int cell = (int) hash & cellMask; cells[cell] != NONE; cell = cell + 1 & cellMask) {
      int block = cells[cell];
      if (hashes[block] == hash
          && parents[block] == parent
          && Arrays.equals(
              tokens,
              block * BLOCK_TOKENS,
              (block + 1) * BLOCK_TOKENS,
              ids,
              from,
              from + BLOCK_TOKENS)) {
        return block;
      }
    }
    return NONE;
  }

  /** The content id of an indexed block: what its continuation names as parent. */
  public long content(int block) {
    assert contents[block] != 0 : "not indexed: " + block;
    return contents[block];
  }

  /**
   * Makes a full block findable. The caller has looked that no equal one is there yet, and tells
   * the pool.
   *
   * @return the block's content id
   */
  public long add(int block, long parent, int[] ids, int from) {
    assert contents[block] == 0 : "indexed already: " + block;
    long hash = hash(parent, ids, from);
    hashes[block] = hash;
    parents[block] = parent;
    System.arraycopy(ids, from, tokens, block * BLOCK_TOKENS, BLOCK_TOKENS);
    int cell = (int) hash & cellMask;
    while (cells[cell] != NONE) {
      cell = cell + 1 & cellMask;
    }
    cells[cell] = block;
    contents[block] = ++lastContent;
    return lastContent;
  }

  /** Forgets a block. */
  void remove(int block) {
    assert contents[block] != 0 : "not indexed: " + block;
    contents[block] = 0;
    int hole = (int) hashes[block] & cellMask;
    while (cells[hole] != block) {
      hole = hole + 1 & cellMask;
    }
    // Close the gap: a later entry of the same probe sequence moves into it (Knuth, TAOCP 6.4,
    // algorithm R).
    for (int cell = hole + 1 & cellMask; cells[cell] != NONE; cell = cell + 1 & cellMask) {
      int home = (int) hashes[cells[cell]] & cellMask;
      if ((cell - home & cellMask) >= (cell - hole & cellMask)) {
        cells[hole] = cells[cell];
        hole = cell;
      }
    }
    cells[hole] = NONE;
  }

  private static long hash(long parent, int[] ids, int from) {
    long hash = parent;
    for (int i = from; i < from + BLOCK_TOKENS; i++) {
      hash = (hash ^ ids[i]) * 0x9E3779B97F4A7C15L; // 2^64 / golden ratio: spreads low bits upwards
      hash ^= hash >>> 29; // and high bits back down, where the cell number is taken
    }
    return hash;
  }
}
