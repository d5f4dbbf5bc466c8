package dev.weir.engine.text.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A parsed template: immutable, every name, filter and test resolved as far as the source allows.
 */
sealed interface Node {

  /** What has a value. */
  sealed interface Expression extends Node {}

  /** What writes to the output or changes a scope. */
  sealed interface Statement extends Node {}

  /** What a value can be assigned to. */
  sealed interface Target extends Node {}

  record Literal(Object value) implements Expression {}

  record Name(String name) implements Expression {}

  record ListLiteral(List<Expression> items) implements Expression {}

  record TupleLiteral(List<Expression> items) implements Expression {}

  record DictLiteral(List<Expression> keys, List<Expression> values) implements Expression {}

  record Attribute(Expression owner, String name, int at) implements Expression {}

  record Item(Expression owner, Expression key, int at) implements Expression {}

  record Slice(Expression owner, Expression start, Expression stop, Expression step, int at)
      implements Expression {}

  record Call(Expression callee, ArgumentList arguments, int at) implements Expression {}

  /** A filter that is unknown fails when it is applied, not before. */
  record FilterCall(
      Expression value, String name, @Nullable Filter filter, ArgumentList arguments, int at)
      implements Expression {}

  record TestCall(
      Expression value, String name, @Nullable Test test, ArgumentList arguments, int at)
      implements Expression {}

  record Binary(Numbers.Operator operator, Expression left, Expression right, int at)
      implements Expression {}

  record Negation(Expression operand, int at) implements Expression {}

  record Plus(Expression operand, int at) implements Expression {}

  record Concatenation(List<Expression> parts, int at) implements Expression {}

  record Comparisons(
      Expression first, List<Comparison.Operator> operators, List<Expression> others, int at)
      implements Expression {}

  record And(Expression left, Expression right) implements Expression {}

  record Or(Expression left, Expression right) implements Expression {}

  record Not(Expression operand) implements Expression {}

  record Conditional(Expression test, Expression then, @Nullable Expression otherwise)
      implements Expression {}

  /** The text that a block renders to; what a filter block and a set block are about. */
  record Captured(List<Statement> body) implements Expression {}

  /** The arguments of a call as written. */
  record ArgumentList(
      List<Expression> positional,
      List<String> names,
      List<Expression> named,
      @Nullable Expression rest,
      @Nullable Expression namedRest) {

    static final ArgumentList NONE = new ArgumentList(List.of(), List.of(), List.of(), null, null);

    boolean isEmpty() {
      return positional.isEmpty() && named.isEmpty() && rest == null && namedRest == null;
    }
  }

  record NameTarget(String name) implements Target {}

  record NamespaceTarget(String namespace, String attribute, int at) implements Target {}

  record TupleTarget(List<Target> targets, int at) implements Target {}

  record Text(String text) implements Statement {}

  record Output(Expression value, int at) implements Statement {}

  record If(List<Branch> branches, List<Statement> otherwise) implements Statement {}

  record Branch(Expression test, List<Statement> body) {}

  record For(
      Target target,
      Expression iterable,
      @Nullable Expression condition,
      boolean recursive,
      List<Statement> body,
      List<Statement> otherwise,
      int at)
      implements Statement {}

  record Assign(Target target, Expression value, int at) implements Statement {}

  record MacroDefinition(MacroCode code) implements Statement {}

  record CallBlock(Call call, MacroCode caller, int at) implements Statement {}

  record With(List<Target> targets, List<Expression> values, List<Statement> body)
      implements Statement {}

  /** A block with a scope of its own: what an assistant's generation is marked with. */
  record Generation(List<Statement> body) implements Statement {}

  record Break() implements Statement {}

  record Continue() implements Statement {}

  /** Parameters and body of a macro; {@code defaults} belong to the last parameters. */
  record MacroCode(
      String name,
      List<String> parameters,
      List<Expression> defaults,
      List<Statement> body,
      boolean usesCaller,
      boolean usesNamed,
      boolean usesRest) {}
}
