package dev.weir.engine.text.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens, and does all white-space control: {@code trim_blocks} (a line feed
 * after a block goes), {@code lstrip_blocks} (blanks before a block go) and the signs {@code -} and
 * {@code +} inside the delimiters.
 */
final class Lexer {

  private static final String[] LONG_OPERATORS = {"//", "**", "==", "!=", ">=", "<="};
  private static final String SHORT_OPERATORS = "+-/*%~[](){}><=.:|,;";

  private final Source source;
  private final String text;
  private final List<Token> tokens = new ArrayList<>();
  private int at;

  /** Whether what was cut last ended a line, so that blanks before the next block can go. */
  private boolean lineStarting = true;

  private Lexer(Source source) {
    this.source = source;
    this.text = source.text();
  }

  static List<Token> tokens(Source source) {
    Lexer lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < text.length()) {
      int tag = nextTag(at);
      if (tag < 0) {
        addData(text.substring(at), at);
        at = text.length();
        break;
      }
      char kind = text.charAt(tag + 1);
      char sign = tag + 2 < text.length() ? text.charAt(tag + 2) : 0;
      addData(beforeTag(at, tag, sign, kind != '{'), at);
      at = tag + 2 + (sign == '-' || sign == '+' ? 1 : 0);
      switch (kind) {
        case '#' -> comment(tag);
        case '{' -> code(tag, Token.Kind.VARIABLE_BEGIN, Token.Kind.VARIABLE_END, '}');
        default -> {
          int afterRaw = afterRawBegin();
          if (afterRaw >= 0) {
            at = afterRaw;
            raw(tag);
          } else {
            code(tag, Token.Kind.BLOCK_BEGIN, Token.Kind.BLOCK_END, '%');
          }
        }
      }
      lineStarting = at > 0 && text.charAt(at - 1) == '\n';
    }
    tokens.add(new Token(Token.Kind.END, "", Math.max(0, text.length() - 1)));
  }

  private int nextTag(int from) {
    for (int i = text.indexOf('{', from);
        i >= 0 && i + 1 < text.length();
        i = text.indexOf('{', i + 1)) {
      char next = text.charAt(i + 1);
      if (next == '{' || next == '%' || next == '#') {
        return i;
      }
    }
    return -1;
  }

  private void addData(String data, int from) {
    if (!data.isEmpty()) {
      tokens.add(new Token(Token.Kind.DATA, data, from));
    }
  }

  /** The text before a tag, less the white space that the tag's sign or its place takes away. */
  private String beforeTag(int from, int tag, char sign, boolean isBlock) {
    String data = text.substring(from, tag);
    if (sign == '-') {
      return StringMethods.stripRight(data);
    }
    if (sign != '+' && isBlock) {
      int lineStart = data.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || lineStarting)
          && StringMethods.strip(data.substring(lineStart)).isEmpty()) {
        return data.substring(0, lineStart);
      }
    }
    return data;
  }

  private int skipSpace(int from) {
    int i = from;
    while (i < text.length() && PythonText.isSpace(text.charAt(i))) {
      i++;
    }
    return i;
  }

  private void comment(int tag) {
    int end = text.indexOf("#}", at);
    if (end < 0) {
      throw source.error("Missing end of comment tag", tag);
    }
    char sign = end > at ? text.charAt(end - 1) : 0;
    at = afterBlock(end + 2, sign);
  }

  /** Where the text goes on after a block that closed with {@code sign} before its delimiter. */
  private int afterBlock(int end, char sign) {
    if (sign == '-') {
      return skipSpace(end);
    }
    return sign != '+' && end < text.length() && text.charAt(end) == '\n' ? end + 1 : end;
  }

  /** Where the text goes on after <code>{% raw %}</code>, or -1 if another block begins here. */
  private int afterRawBegin() {
    int i = skipSpace(at);
    if (!text.startsWith("raw", i)) {
      return -1;
    }
    i = skipSpace(i + 3);
    if (text.startsWith("-%}", i)) {
      return skipSpace(i + 3);
    }
    return text.startsWith("%}", i) ? i + 2 : -1;
  }

  private void raw(int tag) {
    lineStarting = text.charAt(at - 1) == '\n';
    for (int i = text.indexOf("{%", at); i >= 0; i = text.indexOf("{%", i + 2)) {
      char open = i + 2 < text.length() ? text.charAt(i + 2) : 0;
      int word = skipSpace(i + 2 + (open == '-' || open == '+' ? 1 : 0));
      if (!text.startsWith("endraw", word)) {
        continue;
      }
      int close = skipSpace(word + "endraw".length());
      char sign = close < text.length() ? text.charAt(close) : 0;
      int delimiter = sign == '-' || sign == '+' ? close + 1 : close;
      if (text.startsWith("%}", delimiter)) {
        addData(beforeTag(at, i, open, true), at);
        at = afterBlock(delimiter + 2, sign);
        return;
      }
    }
    throw source.error("Missing end of raw directive", tag);
  }

  /** The tokens of an expression or a statement, up to its closing delimiter. */
  private void code(int tag, Token.Kind begin, Token.Kind end, char closer) {
    tokens.add(new Token(begin, text.substring(tag, tag + 2), tag));
    Deque<Character> brackets = new ArrayDeque<>();
    while (true) {
      at = skipSpace(at);
      if (at >= text.length()) {
        return;
      }
      if (brackets.isEmpty() && closes(end, closer)) {
        return;
      }
      token(brackets);
    }
  }

  private boolean closes(Token.Kind end, char closer) {
    char c = text.charAt(at);
    boolean signed = c == '-' || (c == '+' && closer == '%');
    int delimiter = signed ? at + 1 : at;
    boolean found =
        delimiter + 1 < text.length()
            && text.charAt(delimiter) == closer
            && text.charAt(delimiter + 1) == '}';
    if (!found) {
      return false;
    }
    tokens.add(new Token(end, text.substring(at, delimiter + 2), at));
    if (closer == '%') {
      at = afterBlock(delimiter + 2, c);
    } else {
      at = c == '-' ? skipSpace(delimiter + 2) : delimiter + 2;
    }
    return true;
  }

  private void token(Deque<Character> brackets) {
    char c = text.charAt(at);
    if (c >= '0' && c <= '9') {
      number();
    } else if (c == '"' || c == '\'') {
      string(c);
    } else if (c == '_' || Character.isLetter(text.codePointAt(at))) {
      name();
    } else {
      operator(brackets);
    }
  }

  private int afterDigits(int from) {
    int i = from;
    while (i < text.length() && isDigit(text.charAt(i))) {
      i++;
      if (i + 1 < text.length() && text.charAt(i) == '_' && isDigit(text.charAt(i + 1))) {
        i++;
      }
    }
    return i;
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private void number() {
    int end = afterRadixInteger();
    if (end > at) {
      add(Token.Kind.INTEGER, end);
      return;
    }
    end = afterDigits(at);
    // After a dot, digits are a subscript: matrix.0.1 has no float in it.
    boolean isSubscript = at > 0 && text.charAt(at - 1) == '.';
    int whole = end;
    if (!isSubscript) {
      if (end + 1 < text.length() && text.charAt(end) == '.' && isDigit(text.charAt(end + 1))) {
        end = afterDigits(end + 1);
      }
      end = afterExponent(end);
    }
    if (end > whole) {
      add(Token.Kind.FLOAT, end);
    } else {
      add(Token.Kind.INTEGER, whole);
    }
  }

  private int afterExponent(int from) {
    if (from >= text.length() || (text.charAt(from) != 'e' && text.charAt(from) != 'E')) {
      return from;
    }
    int digits = from + 1;
    if (digits < text.length() && (text.charAt(digits) == '+' || text.charAt(digits) == '-')) {
      digits++;
    }
    int end = afterDigits(digits);
    return end > digits ? end : from;
  }

  private int afterRadixInteger() {
    if (text.charAt(at) != '0' || at + 1 >= text.length()) {
      return at;
    }
    int radix =
        switch (Character.toLowerCase(text.charAt(at + 1))) {
          case 'x' -> 16;
          case 'o' -> 8;
          case 'b' -> 2;
          default -> 0;
        };
    int i = at + 2;
    while (radix > 0 && i < text.length()) {
      int digit = text.charAt(i) == '_' && i + 1 < text.length() ? i + 1 : i;
      if (Character.digit(text.charAt(digit), radix) < 0) {
        break;
      }
      i = digit + 1;
    }
    return radix > 0 && i > at + 2 ? i : at;
  }

  private void name() {
    int end = at;
    while (end < text.length()) {
      int c = text.codePointAt(end);
      boolean isPart = Character.isUnicodeIdentifierPart(c) && !Character.isIdentifierIgnorable(c);
      if (!isPart) {
        break;
      }
      end += Character.charCount(c);
    }
    if (end == at) {
      throw source.error("Invalid character in identifier", at);
    }
    add(Token.Kind.NAME, end);
  }

  private void add(Token.Kind kind, int end) {
    tokens.add(new Token(kind, text.substring(at, end), at));
    at = end;
  }

  private void operator(Deque<Character> brackets) {
    for (String operator : LONG_OPERATORS) {
      if (text.startsWith(operator, at)) {
        add(Token.Kind.OPERATOR, at + 2);
        return;
      }
    }
    char c = text.charAt(at);
    if (SHORT_OPERATORS.indexOf(c) < 0) {
      throw source.error("unexpected char '" + Character.toString(text.codePointAt(at)) + "'", at);
    }
    switch (c) {
      case '(' -> brackets.push(')');
      case '[' -> brackets.push(']');
      case '{' -> brackets.push('}');
      case ')', ']', '}' -> {
        if (brackets.isEmpty()) {
          throw source.error("unexpected '" + c + "'", at);
        }
        char expected = brackets.pop();
        if (expected != c) {
          throw source.error("unexpected '" + c + "', expected '" + expected + "'", at);
        }
      }
      default -> {}
    }
    add(Token.Kind.OPERATOR, at + 1);
  }

  private void string(char quote) {
    int end = at + 1;
    while (end < text.length() && text.charAt(end) != quote) {
      end += text.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= text.length()) {
      throw source.error("this string has no end", at);
    }
    tokens.add(new Token(Token.Kind.STRING, unescape(at + 1, end), at));
    at = end + 1;
  }

  private String unescape(int from, int to) {
    if (text.substring(from, to).indexOf('\\') < 0) {
      return text.substring(from, to);
    }
    StringBuilder out = new StringBuilder(to - from);
    int i = from;
    while (i < to) {
      char c = text.charAt(i++);
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escape = text.charAt(i++);
      switch (escape) {
        case '\n' -> {}
        case '\\', '\'', '"' -> out.append(escape);
        case 'a' -> out.append('\u0007');
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'v' -> out.append('\u000b');
        case 'x' -> i = hexEscape(out, i, to, 2);
        case 'u' -> i = hexEscape(out, i, to, 4);
        case 'U' -> i = hexEscape(out, i, to, 8);
        case 'N' -> throw source.error("\\N{...} is not supported; write the character", i - 2);
        case '0', '1', '2', '3', '4', '5', '6', '7' -> {
          int end = i;
          while (end < to && end < i + 2 && text.charAt(end) >= '0' && text.charAt(end) <= '7') {
            end++;
          }
          out.append((char) Integer.parseInt(text, i - 1, end, 8));
          i = end;
        }
        default -> out.append('\\').append(escape);
      }
    }
    return out.toString();
  }

  private int hexEscape(StringBuilder out, int from, int to, int digits) {
    int end = from + digits;
    int value = 0;
    for (int i = from; i < end; i++) {
      int digit = i < to ? Character.digit(text.charAt(i), 16) : -1;
      if (digit < 0) {
        throw source.error("truncated escape in a string", from - 2);
      }
      value = value << 4 | digit;
    }
    if (!Character.isValidCodePoint(value)) {
      throw source.error("illegal Unicode character in a string", from - 2);
    }
    out.appendCodePoint(value);
    return end;
  }
}
