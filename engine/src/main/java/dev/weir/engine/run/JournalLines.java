package dev.weir.engine.run;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A journal's bytes, line by line; knows where it is. */
final class JournalLines {
  /** A prompt of a million tokens takes less. */
  private static final int MAX_LINE = 1 << 26;

  private final InputStream in;
  private final Path file;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private long offset;
  private long nextOffset;
  private int number;
  private boolean ended;

  JournalLines(InputStream in, Path file) {
    this.in = in;
    this.file = file;
  }

  /**
   * Goes to the next line.
   *
   * @return whether there is one
   * @throws JournalException if it is too long
   */
  boolean next() throws IOException {
    line.reset();
    offset = nextOffset;
    int read = in.read();
    if (read < 0) {
      return false;
    }
    number++;
    while (read >= 0 && read != '\n') {
      line.write(read);
      if (line.size() > MAX_LINE) {
        throw wrong("the line is too long", null);
      }
      read = in.read();
    }
    ended = read == '\n';
    nextOffset = offset + line.size() + 1;
    return true;
  }

  /**
   * The line's text, without its end.
   *
   * @throws JournalException if it is none
   */
  String text() {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(line.toByteArray()))
          .toString();
    } catch (CharacterCodingException e) {
      throw wrong("the line is no UTF-8 text", e);
    }
  }

  /** Whether the line has an end; the last one of a file that is cut off has none. */
  boolean ended() {
    return ended;
  }

  /** The line's number, from 1. */
  int number() {
    return number;
  }

  /** Says what is wrong with the line, and where it is. */
  JournalException wrong(String what, @Nullable Throwable cause) {
    return new JournalException(file, number, offset, what, cause);
  }
}
