package dev.weir.engine.text.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Parses the blocks of a template: what stands between the tags, and the tags themselves. */
final class Parser {

  private static final Set<String> LOADER_TAGS =
      Set.of("include", "import", "from", "extends", "block");

  private final TokenStream tokens;
  private final ExpressionParser expressions;
  private boolean inLoop;

  private Parser(Source source) {
    this.tokens = new TokenStream(source);
    this.expressions = new ExpressionParser(tokens);
  }

  static List<Node.Statement> parse(Source source) {
    return new Parser(source).body(List.of(), "");
  }

  /** The statements up to one of the {@code ends} tags, whose name is then the current token. */
  private List<Node.Statement> body(List<String> ends, String opener) {
    tokens.enter();
    List<Node.Statement> statements = new ArrayList<>();
    while (!tokens.isAtEnd()) {
      Token token = tokens.take();
      switch (token.kind()) {
        case DATA -> statements.add(new Node.Text(token.text()));
        case VARIABLE_BEGIN -> {
          Node.Expression value = expressions.parseTuple(true);
          tokens.expect(Token.Kind.VARIABLE_END);
          statements.add(new Node.Output(value, token.at()));
        }
        default -> {
          if (tokens.is(Token.Kind.NAME) && ends.contains(tokens.current().text())) {
            tokens.leave();
            return List.copyOf(statements);
          }
          statement(statements);
          tokens.expect(Token.Kind.BLOCK_END);
        }
      }
    }
    if (!ends.isEmpty()) {
      throw tokens.error(
          "the template ends inside '"
              + opener
              + "', expected '"
              + String.join("' or '", ends)
              + "'",
          tokens.current());
    }
    tokens.leave();
    return List.copyOf(statements);
  }

  /** The body of a tag, from the end of the tag to one of {@code ends}. */
  private List<Node.Statement> bodyOf(String opener, String... ends) {
    tokens.skipOperator(":");
    tokens.expect(Token.Kind.BLOCK_END);
    return body(List.of(ends), opener);
  }

  /** As {@link #bodyOf}, with the end tag's name taken as well. */
  private List<Node.Statement> wholeBodyOf(String opener, String end) {
    List<Node.Statement> body = bodyOf(opener, end);
    tokens.expectName(end);
    return body;
  }

  private void statement(List<Node.Statement> statements) {
    Token tag = tokens.expect(Token.Kind.NAME);
    switch (tag.text()) {
      case "if" -> statements.add(parseIf());
      case "for" -> statements.add(parseFor(tag));
      case "set" -> statements.add(parseSet(tag));
      case "macro" -> statements.add(parseMacro());
      case "call" -> statements.add(parseCall(tag));
      case "filter" -> statements.add(parseFilter(tag));
      case "with" -> statements.add(parseWith());
      case "generation" -> statements.add(parseGeneration());
      case "print" -> parsePrint(tag, statements);
      case "break", "continue" -> {
        if (!inLoop) {
          throw tokens.error("'" + tag.text() + "' outside of a loop", tag);
        }
        statements.add(tag.text().equals("break") ? new Node.Break() : new Node.Continue());
      }
      default -> {
        String reason =
            LOADER_TAGS.contains(tag.text())
                ? "a chat template can't load others: '" + tag.text() + "' is not supported"
                : "Encountered unknown tag '" + tag.text() + "'.";
        throw tokens.error(reason, tag);
      }
    }
  }

  private Node.Statement parseIf() {
    boolean before = expressions.setConditional(true);
    List<Node.Branch> branches = new ArrayList<>();
    List<Node.Statement> otherwise = List.of();
    boolean more = true;
    while (more) {
      Node.Expression test = expressions.parseTuple(false);
      branches.add(new Node.Branch(test, bodyOf("if", "elif", "else", "endif")));
      Token next = tokens.take();
      more = next.isName("elif");
      if (next.isName("else")) {
        otherwise = wholeBodyOf("if", "endif");
      }
    }
    expressions.setConditional(before);
    return new Node.If(List.copyOf(branches), otherwise);
  }

  private Node.Statement parseFor(Token tag) {
    boolean wasConditional = expressions.setConditional(false);
    Node.Target target = target(false, "in");
    tokens.expectName("in");
    Node.Expression iterable = expressions.parseTuple(false);
    Node.Expression condition = tokens.skipName("if") ? expressions.parse() : null;
    boolean recursive = tokens.skipName("recursive");
    boolean wasInLoop = inLoop;
    inLoop = true;
    List<Node.Statement> body = bodyOf("for", "endfor", "else");
    inLoop = wasInLoop;
    List<Node.Statement> otherwise = List.of();
    if (tokens.take().isName("else")) {
      otherwise = wholeBodyOf("for", "endfor");
    }
    expressions.setConditional(wasConditional);
    return new Node.For(target, iterable, condition, recursive, body, otherwise, tag.at());
  }

  private Node.Statement parseSet(Token tag) {
    Node.Target target = target(true, "");
    if (tokens.skipOperator("=")) {
      return new Node.Assign(target, expressions.parseTuple(true), tag.at());
    }
    // The filters are written before the body that they apply to.
    Node.Captured placeholder = new Node.Captured(List.of());
    boolean filtered = tokens.skipOperator("|");
    Node.Expression chain = filtered ? expressions.filterChain(placeholder) : placeholder;
    boolean wasConditional = expressions.setConditional(false);
    List<Node.Statement> body = wholeBodyOf("set", "endset");
    expressions.setConditional(wasConditional);
    return new Node.Assign(target, fill(chain, new Node.Captured(body)), tag.at());
  }

  private Node.Statement parseFilter(Token tag) {
    Node.Expression chain = expressions.filterChain(new Node.Captured(List.of()));
    boolean wasConditional = expressions.setConditional(false);
    List<Node.Statement> body = wholeBodyOf("filter", "endfilter");
    expressions.setConditional(wasConditional);
    return new Node.Output(fill(chain, new Node.Captured(body)), tag.at());
  }

  /** A chain of filters with its innermost value replaced. */
  private static Node.Expression fill(Node.Expression chain, Node.Captured captured) {
    return chain instanceof Node.FilterCall call
        ? new Node.FilterCall(
            fill(call.value(), captured), call.name(), call.filter(), call.arguments(), call.at())
        : captured;
  }

  private Node.Statement parseMacro() {
    String name = tokens.expect(Token.Kind.NAME).text();
    return new Node.MacroDefinition(macroCode(name, true, "endmacro"));
  }

  private Node.Statement parseCall(Token tag) {
    Set<String> outer = expressions.beginNamesRead();
    List<String> parameters = new ArrayList<>();
    List<Node.Expression> defaults = new ArrayList<>();
    if (tokens.isOperator("(")) {
      signature(parameters, defaults);
    }
    expressions.restoreNamesRead(outer);
    if (!(expressions.parse() instanceof Node.Call call)) {
      throw tokens.error("expected call", tag);
    }
    Node.MacroCode caller = macroBody("caller", parameters, defaults, "call", "endcall");
    return new Node.CallBlock(call, caller, tag.at());
  }

  private Node.MacroCode macroCode(String name, boolean withSignature, String end) {
    List<String> parameters = new ArrayList<>();
    List<Node.Expression> defaults = new ArrayList<>();
    if (withSignature) {
      signature(parameters, defaults);
    }
    return macroBody(name, parameters, defaults, "macro", end);
  }

  private void signature(List<String> parameters, List<Node.Expression> defaults) {
    tokens.expectOperator("(");
    while (!tokens.isOperator(")")) {
      Token name = tokens.expect(Token.Kind.NAME);
      parameters.add(name.text());
      if (tokens.skipOperator("=")) {
        defaults.add(expressions.parse());
      } else if (!defaults.isEmpty()) {
        throw tokens.error("non-default argument follows default argument", name);
      }
      if (!tokens.isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    tokens.expectOperator(")");
  }

  private Node.MacroCode macroBody(
      String name,
      List<String> parameters,
      List<Node.Expression> defaults,
      String opener,
      String end) {
    Set<String> outer = expressions.beginNamesRead();
    boolean wasConditional = expressions.setConditional(false);
    boolean wasInLoop = inLoop;
    inLoop = false;
    List<Node.Statement> body = wholeBodyOf(opener, end);
    inLoop = wasInLoop;
    expressions.setConditional(wasConditional);
    Set<String> read = expressions.restoreNamesRead(outer);
    return new Node.MacroCode(
        name,
        List.copyOf(parameters),
        List.copyOf(defaults),
        body,
        read.contains("caller") && !parameters.contains("caller"),
        read.contains("kwargs") && !parameters.contains("kwargs"),
        read.contains("varargs") && !parameters.contains("varargs"));
  }

  private Node.Statement parseWith() {
    List<Node.Target> targets = new ArrayList<>();
    List<Node.Expression> values = new ArrayList<>();
    while (!tokens.is(Token.Kind.BLOCK_END)) {
      if (!targets.isEmpty()) {
        tokens.expectOperator(",");
      }
      targets.add(target(false, ""));
      tokens.expectOperator("=");
      values.add(expressions.parse());
    }
    boolean wasConditional = expressions.setConditional(false);
    List<Node.Statement> body = wholeBodyOf("with", "endwith");
    expressions.setConditional(wasConditional);
    return new Node.With(List.copyOf(targets), List.copyOf(values), body);
  }

  private Node.Statement parseGeneration() {
    boolean wasConditional = expressions.setConditional(false);
    boolean wasInLoop = inLoop;
    inLoop = false;
    List<Node.Statement> body = wholeBodyOf("generation", "endgeneration");
    inLoop = wasInLoop;
    expressions.setConditional(wasConditional);
    return new Node.Generation(body);
  }

  private void parsePrint(Token tag, List<Node.Statement> statements) {
    boolean first = true;
    while (!tokens.is(Token.Kind.BLOCK_END)) {
      if (!first) {
        tokens.expectOperator(",");
      }
      first = false;
      statements.add(new Node.Output(expressions.parse(), tag.at()));
    }
  }

  /** A name, an attribute of a namespace where {@code withNamespace}, or a tuple of such. */
  private Node.Target target(boolean withNamespace, String endName) {
    Token start = tokens.current();
    List<Node.Target> targets = new ArrayList<>();
    boolean isTuple = false;
    while (!atTargetEnd(endName, !targets.isEmpty())) {
      targets.add(singleTarget(withNamespace));
      if (!tokens.skipOperator(",")) {
        break;
      }
      isTuple = true;
    }
    if (targets.isEmpty()) {
      throw tokens.error("expected a name to assign to, got " + start.describe(), start);
    }
    return isTuple ? new Node.TupleTarget(List.copyOf(targets), start.at()) : targets.get(0);
  }

  private boolean atTargetEnd(String endName, boolean afterComma) {
    return tokens.is(Token.Kind.BLOCK_END)
        || tokens.isOperator(")")
        || (afterComma && (tokens.isOperator("=") || tokens.isName(endName)));
  }

  private Node.Target singleTarget(boolean withNamespace) {
    if (tokens.skipOperator("(")) {
      tokens.enter();
      Node.Target inner = target(withNamespace, "");
      tokens.leave();
      tokens.expectOperator(")");
      return inner;
    }
    Token name = tokens.expect(Token.Kind.NAME);
    if (Set.of("true", "false", "none", "True", "False", "None").contains(name.text())) {
      throw tokens.error("can't assign to '" + name.text() + "'", name);
    }
    if (withNamespace && tokens.skipOperator(".")) {
      String attribute = tokens.expect(Token.Kind.NAME).text();
      return new Node.NamespaceTarget(name.text(), attribute, name.at());
    }
    return new Node.NameTarget(name.text());
  }
}
