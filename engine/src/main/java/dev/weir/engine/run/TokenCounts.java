package dev.weir.engine.run;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The tokens a penalised sequence has seen, as pairs (token, occurrences in the output) in the
 * order of first occurrence, ready to be copied for {@code sample}. A hash table finds a token's
 * pair.
 */
final class TokenCounts {
  private static final int NONE = -1;

  private final int[] pairs;
  private final int[] cells;
  private final int mask;
  private int size;

  /**
   * @param capacity the most different tokens: the smaller of the vocabulary and the longest the
   *     sequence can become
   */
  TokenCounts(int capacity) {
    pairs = new int[2 * capacity];
    cells = new int[Integer.highestOneBit(Math.max(1, 2 * capacity - 1)) << 1];
    mask = cells.length - 1;
    Arrays.fill(cells, NONE);
  }

  /** A token of the prompt. */
  void prompt(int token) {
    pair(token);
  }

  /** A token of the output. */
  void output(int token) {
    pairs[2 * pair(token) + 1]++;
  }

  private int pair(int token) {
    int cell = (token * 0x9E3779B9) >>> 7 & mask; // multiplicative hashing: neighbouring ids spread
    while (cells[cell] != NONE) {
      if (pairs[2 * cells[cell]] == token) {
        return cells[cell];
      }
      cell = cell + 1 & mask;
    }
    cells[cell] = size;
    pairs[2 * size] = token;
    return size++;
  }

  /** How many different tokens. */
  int size() {
    return size;
  }

  /** Copies all pairs to pair {@code first} of the destination. */
  void copyTo(MemorySegment destination, long first) {
    MemorySegment.copy(pairs, 0, destination, JAVA_INT, first * 2 * Integer.BYTES, 2 * size);
  }
}
