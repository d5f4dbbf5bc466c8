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
 * <p>The same contents may lie in several blocks, on several devices or in the host tier. Such
 * <i>copies</i> share one content id, and any of them may be given away: the contents are forgotten
 * with the last.
 *
 * <p>Open addressing with linear probing; sized once for all blocks; nothing is allocated
 * afterwards.
 */
public final class PrefixIndex {
  private static final int NONE = -1;

  /** Twice as many cells as blocks at least: short probes. */
  private static final int CELLS_PER_BLOCK = 2;

  /** One copy of each contents. */
  private final int[] cells;

  private final int cellMask;

  /** Copies form a ring; a block without any follows itself. */
  private final int[] nextCopy;

  private final long[] hashes;
  private final long[] parents;
  private final long[] contents;
  private final int[] tokens;
  private long lastContent;

  /**
   * @param blocks how many blocks there are, over all pools
   */
  public PrefixIndex(int blocks) {
    int size = Integer.highestOneBit(Math.max(2, blocks * CELLS_PER_BLOCK - 1)) << 1;
    cells = new int[size];
    cellMask = size - 1;
    Arrays.fill(cells, NONE);
    nextCopy = new int[blocks];
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
   * A block that holds {@code ids[from … from + BLOCK_TOKENS - 1]} behind the given parent: any of
   * the copies.
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

  /**
   * A copy of an indexed block's contents whose number lies in {@code [from, to)}: the block itself
   * if it does.
   *
   * @return the copy, or -1
   */
  public int copyIn(int block, int from, int to) {
    assert contains(block) : "not indexed: " + block;
    int copy = block;
    do {
      if (copy >= from && copy < to) {
        return copy;
      }
      copy = nextCopy[copy];
    } while (copy != block);
    return NONE;
  }

  /** Whether a block is indexed. */
  public boolean contains(int block) {
    return contents[block] != 0;
  }

  /** Whether a block still is what it was when it had this content id. */
  public boolean holds(int block, long content) {
    assert content != 0 : "no content id";
    return contents[block] == content;
  }

  /** The content id of an indexed block: what its continuation names as parent. */
  public long content(int block) {
    assert contents[block] != 0 : "not indexed: " + block;
    return contents[block];
  }

  /** The hash of an indexed block's contents: with the content id it finds them again. */
  public long hash(int block) {
    assert contents[block] != 0 : "not indexed: " + block;
    return hashes[block];
  }

  /**
   * A block that holds the contents which had this hash and content id.
   *
   * @return any copy, or -1 if nobody holds them any more
   */
  public int locate(long hash, long content) {
    for (int cell = (int) hash & cellMask; cells[cell] != NONE; cell = cell + 1 & cellMask) {
      if (contents[cells[cell]] == content) {
        return cells[cell];
      }
    }
    return NONE;
  }

  /**
   * Makes a full block findable. The caller has looked that no equal one is there yet ({@link
   * #addCopy} is for that), and tells the pool.
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
    nextCopy[block] = block;
    return lastContent;
  }

  /**
   * Makes a block findable that holds the same as an indexed one, under the same content id. The
   * caller tells the pool.
   */
  public void addCopy(int block, int equal) {
    assert contents[block] == 0 : "indexed already: " + block;
    assert contents[equal] != 0 : "not indexed: " + equal;
    hashes[block] = hashes[equal];
    parents[block] = parents[equal];
    contents[block] = contents[equal];
    System.arraycopy(tokens, equal * BLOCK_TOKENS, tokens, block * BLOCK_TOKENS, BLOCK_TOKENS);
    nextCopy[block] = nextCopy[equal];
    nextCopy[equal] = block;
  }

  /** Forgets a block; the last copy's contents are forgotten with it. */
  void remove(int block) {
    assert contents[block] != 0 : "not indexed: " + block;
    contents[block] = 0;
    int cell = (int) hashes[block] & cellMask;
    while (cells[cell] != block && cells[cell] != NONE) {
      cell = cell + 1 & cellMask;
    }
    int copy = nextCopy[block];
    if (copy == block) {
      close(cell);
      return;
    }
    int before = copy;
    while (nextCopy[before] != block) {
      before = nextCopy[before];
    }
    nextCopy[before] = copy;
    if (cells[cell] == block) {
      cells[cell] = copy;
    }
  }

  /** Empties a cell. */
  private void close(int emptied) {
    int hole = emptied;
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
