package dev.weir.engine.run;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A journal cannot be read or made; the message names the file, what is wrong with it (and in which
 * line) and why.
 */
public final class JournalException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The file as a whole cannot be read. */
  JournalException(Path file, String what, @Nullable Throwable cause) {
    super("the journal " + file + ": " + what, cause);
  }

  /** A file that cannot be opened, or read to its end. */
  static JournalException unreadable(Path file, IOException cause) {
    String what =
        switch (cause) {
          case NoSuchFileException none ->
              "there is no such file; name one that weir serve --journal has written";
          case AccessDeniedException denied -> "this user may not read it; change its permissions";
          default ->
              Files.isDirectory(file)
                  ? "it is a folder; name a file in it"
                  : "it cannot be read: " + reason(cause);
        };
    return new JournalException(file, what, cause);
  }

  /** A file that cannot be made anew. */
  static JournalException notMade(Path file, IOException cause) {
    Path folder = file.toAbsolutePath().getParent();
    String what =
        switch (cause) {
          case FileAlreadyExistsException there -> "it is there already; name a new file";
          case NoSuchFileException none when folder != null && Files.notExists(folder) ->
              "there is no folder %s; make it, or name a file elsewhere".formatted(folder);
          case AccessDeniedException denied ->
              "this user may not write to the folder %s; change its permissions, or name a file elsewhere"
                  .formatted(folder);
          default -> "it cannot be made: %s; name a file elsewhere".formatted(reason(cause));
        };
    return new JournalException(file, what, cause);
  }

  /** The system's own words, without the file's name before them. */
  private static String reason(IOException cause) {
    String reason =
        cause instanceof FileSystemException system ? system.getReason() : cause.getMessage();
    return reason == null ? "the system does not say why" : reason;
  }

  /**
   * @param line its number, from 1
   * @param offset where in the file it begins, in bytes
   */
  JournalException(Path file, int line, long offset, String what, @Nullable Throwable cause) {
    super("the journal %s, line %d (at byte %d): %s".formatted(file, line, offset, what), cause);
  }
}
