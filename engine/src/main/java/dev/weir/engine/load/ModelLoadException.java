package dev.weir.engine.load;

import java.nio.file.Path;

/**
 * A model that cannot be loaded. The message names the file, the place in it, what was wrong there
 * and what to do about it, on one line.
 */
public final class ModelLoadException extends RuntimeException {

  private static final int MAX_QUOTED_CHARS = 160; // a hostile name must not flood a log
  private static final int FIRST_PRINTABLE = 0x20;
  private static final int DELETE = 0x7f;
  private static final int LAST_C1_CONTROL = 0x9f;

  private final transient Path path;

  /**
   * A failure.
   *
   * @param path the file or directory
   * @param place where in it: a field, a tensor, "header"
   * @param problem what was found there, and what was expected
   * @param remedy what the reader of the message can do
   */
  public ModelLoadException(Path path, String place, String problem, String remedy) {
    super(message(path, place, problem, remedy));
    this.path = path;
  }

  /** The same, with the exception that revealed it. */
  public ModelLoadException(
      Path path, String place, String problem, String remedy, Throwable cause) {
    super(message(path, place, problem, remedy), cause);
    this.path = path;
  }

  /** The file or directory that could not be loaded. */
  public Path path() {
    return path;
  }

  /** Text from a file, in quotes and safe to print: control characters escaped, length bounded. */
  public static String quote(String text) {
    return '\'' + printable(text) + '\'';
  }

  static String printable(String text) {
    StringBuilder out = new StringBuilder();
    int end = Math.min(text.length(), MAX_QUOTED_CHARS);
    for (int i = 0; i < end; i++) {
      char c = text.charAt(i);
      boolean control = c < FIRST_PRINTABLE || (c >= DELETE && c <= LAST_C1_CONTROL);
      if (control || Character.isSurrogate(c)) {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return text.length() > end ? out.append('…').toString() : out.toString();
  }

  private static String message(Path path, String place, String problem, String remedy) {
    return path + ": " + place + ": " + problem + "; " + remedy;
  }
}
