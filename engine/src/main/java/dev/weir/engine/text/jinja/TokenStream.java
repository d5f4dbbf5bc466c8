package dev.weir.engine.text.jinja;

import java.util.List;

/**
 * The tokens of a template with a place in them, and the depth that a recursive parser has reached.
 */
final class TokenStream {

  /** Expressions and blocks nested deeper than this are refused; real templates stay below 30. */
  private static final int MAX_NESTING = 100;

  private final Source source;
  private final List<Token> tokens;
  private int next;
  private int depth;

  TokenStream(Source source) {
    this.source = source;
    this.tokens = Lexer.tokens(source);
  }

  Token current() {
    return tokens.get(next);
  }

  Token peek() {
    return tokens.get(Math.min(next + 1, tokens.size() - 1));
  }

  Token take() {
    Token token = current();
    if (token.kind() != Token.Kind.END) {
      next++;
    }
    return token;
  }

  boolean isAtEnd() {
    return current().kind() == Token.Kind.END;
  }

  boolean is(Token.Kind kind) {
    return current().kind() == kind;
  }

  boolean isOperator(String operator) {
    return current().isOperator(operator);
  }

  boolean isName(String name) {
    return current().isName(name);
  }

  boolean skipOperator(String operator) {
    boolean found = isOperator(operator);
    if (found) {
      take();
    }
    return found;
  }

  boolean skipName(String name) {
    boolean found = isName(name);
    if (found) {
      take();
    }
    return found;
  }

  Token expect(Token.Kind kind) {
    if (!is(kind)) {
      throw unexpected(kind.description);
    }
    return take();
  }

  void expectOperator(String operator) {
    if (!skipOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectName(String name) {
    if (!skipName(name)) {
      throw unexpected("'" + name + "'");
    }
  }

  private TemplateSyntaxException unexpected(String wanted) {
    return error("expected " + wanted + ", got " + current().describe(), current());
  }

  TemplateSyntaxException error(String message, Token token) {
    return source.error(message, token.at());
  }

  void enter() {
    if (++depth > MAX_NESTING) {
      throw error("nests deeper than " + MAX_NESTING + " levels", current());
    }
  }

  void leave() {
    depth--;
  }
}
