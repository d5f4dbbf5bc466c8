package dev.weir.engine.text.jinja;

import java.util.Arrays;

/** A template's text with its line ends made uniform, and the lines and columns of places in it. */
final class Source {

  private final String text;
  private final int[] lineStarts;

  /** As jinja2 reads it: every kind of line end is a line feed, and one at the end is dropped. */
  Source(String raw) {
    String uniform = raw.replace("\r\n", "\n").replace('\r', '\n');
    this.text = uniform.endsWith("\n") ? uniform.substring(0, uniform.length() - 1) : uniform;
    int[] starts = new int[1 + (int) text.chars().filter(c -> c == '\n').count()];
    int line = 0;
    for (int at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
      starts[++line] = at + 1;
    }
    this.lineStarts = starts;
  }

  String text() {
    return text;
  }

  /** The line of an offset, from 1. */
  int line(int at) {
    int found = Arrays.binarySearch(lineStarts, at);
    return found >= 0 ? found + 1 : -found - 1;
  }

  /** The column of an offset, from 1. */
  int column(int at) {
    return at - lineStarts[line(at) - 1] + 1;
  }

  TemplateSyntaxException error(String message, int at) {
    return new TemplateSyntaxException(message, line(at), column(at));
  }
}
