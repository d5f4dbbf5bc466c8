package dev.weir.engine.text.jinja;

/**
 * The template did something that Python would refuse, such as adding a string to {@code None}. The
 * message gives Python's error and where in the template it arose.
 */
public final class TemplateRuntimeException extends TemplateException {

  private final int line;
  private final int column;

  TemplateRuntimeException(String message, int line, int column) {
    super("chat template, line " + line + ", column " + column + ": " + message);
    this.line = line;
    this.column = column;
  }

  /** The line of the statement or expression that failed, from 1. */
  public int line() {
    return line;
  }

  /** Its column in UTF-16 units, from 1. */
  public int column() {
    return column;
  }
}
