package dev.weir.engine.run;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A journal cannot be read; the message names the file, the line, what is wrong and why. */
public final class JournalException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The file as a whole cannot be read. */
  JournalException(Path file, String what, @Nullable Throwable cause) {
    super("the journal " + file + ": " + what, cause);
  }

  /**
   * @param line its number, from 1
   * @param offset where in the file it begins, in bytes
   */
  JournalException(Path file, int line, long offset, String what, @Nullable Throwable cause) {
    super("the journal %s, line %d (at byte %d): %s".formatted(file, line, offset, what), cause);
  }
}
