package dev.weir.engine.text;

/**
 * Turns a stream of bytes into characters, one byte at a time, never releasing part of a sequence.
 *
 * <p>Malformed input becomes one U+FFFD per maximal subpart (Unicode 16, section 3.9, "U+FFFD
 * Substitution of Maximal Subparts"), as Rust's {@code from_utf8_lossy} does. The JDK's own decoder
 * differs: it gives one U+FFFD for the three bytes of an encoded surrogate, where this gives three.
 */
final class Utf8Assembler {

  static final char REPLACEMENT = '\uFFFD';

  private static final int FIRST_CONTINUATION = 0x80;
  private static final int LAST_CONTINUATION = 0xBF;

  private int missing;
  private int codePoint;

  /** Bounds of the next continuation byte: tighter after E0, ED, F0 and F4 (Unicode table 3-7). */
  private int lower = FIRST_CONTINUATION;

  private int upper = LAST_CONTINUATION;

  /** Takes one byte and appends to {@code out} what it completes, if anything. */
  void accept(byte value, StringBuilder out) {
    int unsigned = value & 0xFF;
    if (missing > 0) {
      if (unsigned >= lower && unsigned <= upper) {
        continueWith(unsigned & 0x3F, out);
        return;
      }
      finish(out);
    }
    start(unsigned, out);
  }

  private void continueWith(int bits, StringBuilder out) {
    codePoint = codePoint << 6 | bits;
    missing--;
    lower = FIRST_CONTINUATION;
    upper = LAST_CONTINUATION;
    if (missing == 0) {
      out.appendCodePoint(codePoint);
    }
  }

  private void start(int lead, StringBuilder out) {
    if (lead < 0x80) {
      out.append((char) lead);
    } else if (lead >= 0xC2 && lead <= 0xDF) {
      expect(1, lead & 0x1F);
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      expect(2, lead & 0x0F);
      lower = lead == 0xE0 ? 0xA0 : FIRST_CONTINUATION;
      upper = lead == 0xED ? 0x9F : LAST_CONTINUATION;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      expect(3, lead & 0x07);
      lower = lead == 0xF0 ? 0x90 : FIRST_CONTINUATION;
      upper = lead == 0xF4 ? 0x8F : LAST_CONTINUATION;
    } else {
      out.append(REPLACEMENT);
    }
  }

  private void expect(int continuations, int bits) {
    missing = continuations;
    codePoint = bits;
  }

  /** Ends the input: an unfinished sequence becomes one U+FFFD. */
  void finish(StringBuilder out) {
    if (missing > 0) {
      out.append(REPLACEMENT);
      missing = 0;
      lower = FIRST_CONTINUATION;
      upper = LAST_CONTINUATION;
    }
  }

  /** Appends {@code length} bytes of {@code bytes}, a complete text of its own. */
  static void decode(byte[] bytes, int offset, int length, StringBuilder out) {
    Utf8Assembler assembler = new Utf8Assembler();
    for (int i = offset; i < offset + length; i++) {
      assembler.accept(bytes[i], out);
    }
    assembler.finish(out);
  }
}
