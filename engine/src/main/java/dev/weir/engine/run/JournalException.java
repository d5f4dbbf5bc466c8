package dev.weir.engine.run;

import java.nio.file.Path;

/** A journal cannot be read; the message names the file, the line, what is wrong and why. */
public final class JournalException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  JournalException(Path file, int line, String what) {
    super(message(file, line, what));
  }

  JournalException(Path file, int line, String what, Throwable cause) {
    super(message(file, line, what), cause);
  }

  private static String message(Path file, int line, String what) {
    return "the journal " + file + (line == 0 ? ": " : ", line " + line + ": ") + what;
  }
}
