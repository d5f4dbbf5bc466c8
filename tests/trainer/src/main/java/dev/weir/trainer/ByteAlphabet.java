package dev.weir.trainer;

/**
 * The printable characters that stand for bytes in a byte-level vocabulary (GPT-2's table:
 * printable Latin-1 bytes stand for themselves, the other 68 for U+0100 onwards).
 */
final class ByteAlphabet {
  /** The number of byte values. */
  static final int SIZE = 256;

  private ByteAlphabet() {}

  /** Returns the character that stands for the byte (0 to 255). */
  static char symbol(int value) {
    if (printable(value)) {
      return (char) value;
    }
    int unprintableBefore = 0;
    for (int other = 0; other < value; other++) {
      if (!printable(other)) {
        unprintableBefore++;
      }
    }
    return (char) (SIZE + unprintableBefore);
  }

  private static boolean printable(int value) {
    return (value >= '!' && value <= '~')
        || (value >= 0xA1 && value <= 0xAC)
        || (value >= 0xAE && value <= 0xFF);
  }
}
