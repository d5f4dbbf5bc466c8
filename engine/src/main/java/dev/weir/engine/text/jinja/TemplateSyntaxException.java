package dev.weir.engine.text.jinja;

/** The template's source is not in the language that Weir understands. */
public final class TemplateSyntaxException extends TemplateException {

  private final int line;
  private final int column;

  TemplateSyntaxException(String message, int line, int column) {
    super("chat template, line " + line + ", column " + column + ": " + message);
    this.line = line;
    this.column = column;
  }

  /** The line of the error, from 1. */
  public int line() {
    return line;
  }

  /** The column of the error in UTF-16 units, from 1. */
  public int column() {
    return column;
  }
}
