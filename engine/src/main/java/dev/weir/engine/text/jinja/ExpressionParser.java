package dev.weir.engine.text.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Parses expressions by recursive descent, one method per level of binding, loosest first. The
 * grammar is jinja2's to its quirks: names such as {@code if} are valid where an operand stands, a
 * filter binds tighter than any operator, and {@code x is test y} takes one bare argument.
 */
final class ExpressionParser {

  private final TokenStream tokens;

  /** Names read since the innermost macro began: tells whether a macro asks for its caller. */
  private Set<String> namesRead = new HashSet<>();

  /**
   * Whether the code may never run, being in a branch: there an unknown filter is an error only
   * once it is reached.
   */
  private boolean conditional;

  ExpressionParser(TokenStream tokens) {
    this.tokens = tokens;
  }

  /** Begins a new set of read names and gives the one so far, for {@link #restoreNamesRead}. */
  Set<String> beginNamesRead() {
    Set<String> outer = namesRead;
    namesRead = new HashSet<>();
    return outer;
  }

  /** Gives the names read since {@link #beginNamesRead}, which the outer code has then read too. */
  Set<String> restoreNamesRead(Set<String> outer) {
    Set<String> inner = namesRead;
    outer.addAll(inner);
    namesRead = outer;
    return inner;
  }

  /** Says whether what follows may never run, and gives what was true before. */
  boolean setConditional(boolean value) {
    boolean before = conditional;
    conditional = value;
    return before;
  }

  Node.Expression parse() {
    tokens.enter();
    Node.Expression expression = conditional();
    tokens.leave();
    return expression;
  }

  /** An expression that is not itself a conditional one, as where {@code if} may follow. */
  Node.Expression parseWithoutConditional() {
    tokens.enter();
    Node.Expression expression = or();
    tokens.leave();
    return expression;
  }

  /** An expression, or several with commas between them, which make a tuple. */
  Node.Expression parseTuple(boolean withConditional) {
    return tuple(withConditional, false);
  }

  private Node.Expression tuple(boolean withConditional, boolean inParentheses) {
    List<Node.Expression> items = new ArrayList<>();
    boolean isTuple = false;
    while (!atTupleEnd(withConditional)) {
      items.add(withConditional ? parse() : parseWithoutConditional());
      if (!tokens.skipOperator(",")) {
        break;
      }
      isTuple = true;
    }
    if (!isTuple) {
      if (!items.isEmpty()) {
        return items.get(0);
      }
      if (!inParentheses) {
        throw tokens.error(
            "Expected an expression, got " + tokens.current().describe(), tokens.current());
      }
    }
    return new Node.TupleLiteral(List.copyOf(items));
  }

  private boolean atTupleEnd(boolean withConditional) {
    return tokens.is(Token.Kind.VARIABLE_END)
        || tokens.is(Token.Kind.BLOCK_END)
        || tokens.isOperator(")")
        || (!withConditional && tokens.isName("recursive"));
  }

  private Node.Expression conditional() {
    Node.Expression expression = or();
    while (tokens.skipName("if")) {
      boolean before = setConditional(true);
      Node.Expression test = or();
      Node.Expression otherwise = null;
      if (tokens.skipName("else")) {
        tokens.enter();
        otherwise = conditional();
        tokens.leave();
      }
      setConditional(before);
      expression = new Node.Conditional(test, expression, otherwise);
    }
    return expression;
  }

  private Node.Expression or() {
    Node.Expression left = and();
    while (tokens.skipName("or")) {
      left = new Node.Or(left, and());
    }
    return left;
  }

  private Node.Expression and() {
    Node.Expression left = not();
    while (tokens.skipName("and")) {
      left = new Node.And(left, not());
    }
    return left;
  }

  private Node.Expression not() {
    if (!tokens.skipName("not")) {
      return comparison();
    }
    tokens.enter();
    Node.Expression operand = not();
    tokens.leave();
    return new Node.Not(operand);
  }

  private Node.Expression comparison() {
    int at = tokens.current().at();
    Node.Expression first = sum();
    List<Comparison.Operator> operators = new ArrayList<>();
    List<Node.Expression> others = new ArrayList<>();
    for (Comparison.Operator next = takeComparison(); next != null; next = takeComparison()) {
      operators.add(next);
      others.add(sum());
    }
    return operators.isEmpty()
        ? first
        : new Node.Comparisons(first, List.copyOf(operators), List.copyOf(others), at);
  }

  private Comparison.@Nullable Operator takeComparison() {
    if (tokens.is(Token.Kind.NAME)) {
      if (tokens.skipName("in")) {
        return Comparison.Operator.IN;
      }
      if (tokens.isName("not") && tokens.peek().isName("in")) {
        tokens.take();
        tokens.take();
        return Comparison.Operator.NOT_IN;
      }
      return null;
    }
    if (!tokens.is(Token.Kind.OPERATOR)) {
      return null;
    }
    Comparison.Operator operator =
        switch (tokens.current().text()) {
          case "==" -> Comparison.Operator.EQUAL;
          case "!=" -> Comparison.Operator.NOT_EQUAL;
          case "<" -> Comparison.Operator.LESS;
          case "<=" -> Comparison.Operator.LESS_OR_EQUAL;
          case ">" -> Comparison.Operator.GREATER;
          case ">=" -> Comparison.Operator.GREATER_OR_EQUAL;
          default -> null;
        };
    if (operator != null) {
      tokens.take();
    }
    return operator;
  }

  private Node.Expression sum() {
    Node.Expression left = concatenation();
    while (tokens.isOperator("+") || tokens.isOperator("-")) {
      Token sign = tokens.take();
      Numbers.Operator operator =
          sign.text().equals("+") ? Numbers.Operator.ADD : Numbers.Operator.SUBTRACT;
      left = new Node.Binary(operator, left, concatenation(), sign.at());
    }
    return left;
  }

  private Node.Expression concatenation() {
    int at = tokens.current().at();
    Node.Expression first = product();
    if (!tokens.isOperator("~")) {
      return first;
    }
    List<Node.Expression> parts = new ArrayList<>();
    parts.add(first);
    while (tokens.skipOperator("~")) {
      parts.add(product());
    }
    return new Node.Concatenation(List.copyOf(parts), at);
  }

  private Node.Expression product() {
    Node.Expression left = power();
    while (tokens.is(Token.Kind.OPERATOR)) {
      Numbers.Operator operator =
          switch (tokens.current().text()) {
            case "*" -> Numbers.Operator.MULTIPLY;
            case "/" -> Numbers.Operator.DIVIDE;
            case "//" -> Numbers.Operator.FLOOR_DIVIDE;
            case "%" -> Numbers.Operator.MODULO;
            default -> null;
          };
      if (operator == null) {
        break;
      }
      Token sign = tokens.take();
      left = new Node.Binary(operator, left, power(), sign.at());
    }
    return left;
  }

  /** To the left, as jinja2 has it and Python does not. */
  private Node.Expression power() {
    Node.Expression left = unary(true);
    while (tokens.isOperator("**")) {
      Token sign = tokens.take();
      left = new Node.Binary(Numbers.Operator.POWER, left, unary(true), sign.at());
    }
    return left;
  }

  private Node.Expression unary(boolean withFilters) {
    int at = tokens.current().at();
    Node.Expression operand;
    if (tokens.isOperator("-") || tokens.isOperator("+")) {
      boolean minus = tokens.take().text().equals("-");
      tokens.enter();
      operand = unary(false);
      tokens.leave();
      operand = minus ? new Node.Negation(operand, at) : new Node.Plus(operand, at);
    } else {
      operand = primary();
    }
    operand = postfix(operand);
    return withFilters ? filters(operand) : operand;
  }

  private Node.Expression primary() {
    Token token = tokens.current();
    return switch (token.kind()) {
      case NAME -> nameOrConstant(tokens.take().text());
      case STRING -> {
        StringBuilder text = new StringBuilder(tokens.take().text());
        while (tokens.is(Token.Kind.STRING)) {
          text.append(tokens.take().text());
        }
        yield new Node.Literal(text.toString());
      }
      case INTEGER -> new Node.Literal(integer(tokens.take()));
      case FLOAT -> new Node.Literal(Double.valueOf(tokens.take().text().replace("_", "")));
      default -> {
        if (tokens.skipOperator("(")) {
          Node.Expression inner = tuple(true, true);
          tokens.expectOperator(")");
          yield inner;
        }
        if (tokens.skipOperator("[")) {
          yield list();
        }
        if (tokens.skipOperator("{")) {
          yield dict();
        }
        throw tokens.error("unexpected " + token.describe(), token);
      }
    };
  }

  private Node.Expression nameOrConstant(String name) {
    return switch (name) {
      case "true", "True" -> new Node.Literal(true);
      case "false", "False" -> new Node.Literal(false);
      case "none", "None" -> new Node.Literal(None.NONE);
      default -> {
        namesRead.add(name);
        yield new Node.Name(name);
      }
    };
  }

  private Object integer(Token token) {
    String digits = token.text().replace("_", "");
    if (digits.length() > PythonText.MAX_INTEGER_DIGITS) {
      throw tokens.error("this integer is too long", token);
    }
    int radix =
        digits.length() < 2
            ? 10
            : switch (digits.charAt(1)) {
              case 'x', 'X' -> 16;
              case 'o', 'O' -> 8;
              case 'b', 'B' -> 2;
              default -> 10;
            };
    return Numbers.normal(new BigInteger(radix == 10 ? digits : digits.substring(2), radix));
  }

  private Node.Expression list() {
    List<Node.Expression> items = new ArrayList<>();
    while (!tokens.isOperator("]")) {
      items.add(parse());
      if (!tokens.isOperator("]")) {
        tokens.expectOperator(",");
      }
    }
    tokens.expectOperator("]");
    return new Node.ListLiteral(List.copyOf(items));
  }

  private Node.Expression dict() {
    List<Node.Expression> keys = new ArrayList<>();
    List<Node.Expression> values = new ArrayList<>();
    while (!tokens.isOperator("}")) {
      keys.add(parse());
      tokens.expectOperator(":");
      values.add(parse());
      if (!tokens.isOperator("}")) {
        tokens.expectOperator(",");
      }
    }
    tokens.expectOperator("}");
    return new Node.DictLiteral(List.copyOf(keys), List.copyOf(values));
  }

  private Node.Expression postfix(Node.Expression operand) {
    Node.Expression result = operand;
    while (true) {
      if (tokens.isOperator(".")) {
        result = attribute(result);
      } else if (tokens.isOperator("[")) {
        result = subscript(result);
      } else if (tokens.isOperator("(")) {
        result = call(result);
      } else {
        return result;
      }
    }
  }

  private Node.Expression attribute(Node.Expression owner) {
    int at = tokens.take().at();
    Token name = tokens.take();
    if (name.kind() == Token.Kind.NAME) {
      return new Node.Attribute(owner, name.text(), at);
    }
    if (name.kind() != Token.Kind.INTEGER) {
      throw tokens.error("expected name or number", name);
    }
    return new Node.Item(owner, new Node.Literal(integer(name)), at);
  }

  private Node.Expression subscript(Node.Expression owner) {
    int at = tokens.take().at();
    List<Node.Expression> keys = new ArrayList<>();
    while (!tokens.isOperator("]")) {
      if (tokens.isOperator(":") || !keys.isEmpty()) {
        break;
      }
      keys.add(parse());
      if (!tokens.isOperator(",")) {
        break;
      }
      while (tokens.skipOperator(",") && !tokens.isOperator("]")) {
        keys.add(parse());
      }
    }
    if (tokens.isOperator(":") && keys.size() < 2) {
      Node.Expression start = keys.isEmpty() ? new Node.Literal(None.NONE) : keys.get(0);
      return slice(owner, start, at);
    }
    tokens.expectOperator("]");
    Node.Expression key = keys.size() == 1 ? keys.get(0) : new Node.TupleLiteral(List.copyOf(keys));
    return new Node.Item(owner, key, at);
  }

  private Node.Expression slice(Node.Expression owner, Node.Expression start, int at) {
    tokens.expectOperator(":");
    Node.Expression stop = sliceBound();
    Node.Expression step = tokens.skipOperator(":") ? sliceBound() : new Node.Literal(None.NONE);
    tokens.expectOperator("]");
    return new Node.Slice(owner, start, stop, step, at);
  }

  private Node.Expression sliceBound() {
    return tokens.isOperator(":") || tokens.isOperator("]") ? new Node.Literal(None.NONE) : parse();
  }

  private Node.Call call(Node.Expression callee) {
    int at = tokens.current().at();
    return new Node.Call(callee, arguments(), at);
  }

  private Node.ArgumentList arguments() {
    Token open = tokens.current();
    tokens.expectOperator("(");
    List<Node.Expression> positional = new ArrayList<>();
    List<String> names = new ArrayList<>();
    List<Node.Expression> named = new ArrayList<>();
    Node.Expression rest = null;
    Node.Expression namedRest = null;
    while (!tokens.isOperator(")")) {
      boolean inOrder = namedRest == null;
      if (tokens.skipOperator("*")) {
        inOrder &= rest == null;
        rest = parse();
      } else if (tokens.skipOperator("**")) {
        namedRest = parse();
      } else if (tokens.is(Token.Kind.NAME) && tokens.peek().isOperator("=")) {
        names.add(tokens.take().text());
        tokens.take();
        named.add(parse());
      } else {
        inOrder &= rest == null && names.isEmpty();
        positional.add(parse());
      }
      if (!inOrder) {
        throw tokens.error("invalid syntax for function call expression", open);
      }
      if (!tokens.isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    tokens.expectOperator(")");
    return new Node.ArgumentList(
        List.copyOf(positional), List.copyOf(names), List.copyOf(named), rest, namedRest);
  }

  private Node.Expression filters(Node.Expression operand) {
    Node.Expression result = operand;
    while (true) {
      if (tokens.skipOperator("|")) {
        result = filter(result);
      } else if (tokens.isName("is")) {
        result = test(result);
      } else if (tokens.isOperator("(")) {
        result = call(result);
      } else {
        return result;
      }
    }
  }

  /** The filters of a block's tag, of which the first is written without a bar. */
  Node.Expression filterChain(Node.Expression value) {
    Node.Expression result = filter(value);
    while (tokens.skipOperator("|")) {
      result = filter(result);
    }
    return result;
  }

  private Node.Expression filter(Node.Expression value) {
    Token token = tokens.current();
    String name = dottedName();
    Filter filter = Filters.find(name);
    if (filter == null && !conditional) {
      throw tokens.error("No filter named '" + name + "' found.", token);
    }
    Node.ArgumentList arguments = tokens.isOperator("(") ? arguments() : Node.ArgumentList.NONE;
    return new Node.FilterCall(value, name, filter, arguments, token.at());
  }

  private String dottedName() {
    StringBuilder name = new StringBuilder(tokens.expect(Token.Kind.NAME).text());
    while (tokens.skipOperator(".")) {
      name.append('.').append(tokens.expect(Token.Kind.NAME).text());
    }
    return name.toString();
  }

  private Node.Expression test(Node.Expression value) {
    tokens.expectName("is");
    boolean negated = tokens.skipName("not");
    Token token = tokens.current();
    String name = dottedName();
    Test test = Tests.find(name);
    if (test == null && !conditional) {
      throw tokens.error("No test named '" + name + "' found.", token);
    }
    Node.ArgumentList arguments = Node.ArgumentList.NONE;
    if (tokens.isOperator("(")) {
      arguments = arguments();
    } else if (atBareArgument()) {
      if (tokens.isName("is")) {
        throw tokens.error("You cannot chain multiple tests with is", tokens.current());
      }
      tokens.enter();
      Node.Expression argument = postfix(primary());
      tokens.leave();
      arguments = new Node.ArgumentList(List.of(argument), List.of(), List.of(), null, null);
    }
    Node.Expression result = new Node.TestCall(value, name, test, arguments, token.at());
    return negated ? new Node.Not(result) : result;
  }

  private boolean atBareArgument() {
    return switch (tokens.current().kind()) {
      case STRING, INTEGER, FLOAT -> true;
      case NAME -> !tokens.isName("else") && !tokens.isName("or") && !tokens.isName("and");
      default -> tokens.isOperator("[") || tokens.isOperator("{");
    };
  }
}
