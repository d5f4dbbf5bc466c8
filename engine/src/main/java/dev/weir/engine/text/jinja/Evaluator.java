package dev.weir.engine.text.jinja;

import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates the expressions of one rendering. It reaches nothing but the values it was given: an
 * attribute is a key of a dict, or one of the few methods that {@link Methods} lists.
 */
final class Evaluator {

  private final Budget budget;
  private final Clock clock;
  private final Interpreter interpreter = new Interpreter(this);
  private int at;

  Evaluator(Budget budget, Clock clock) {
    this.budget = budget;
    this.clock = clock;
  }

  Budget budget() {
    return budget;
  }

  Clock clock() {
    return clock;
  }

  /** Where in the source the evaluation is, for errors. */
  int at() {
    return at;
  }

  void setAt(int place) {
    at = place;
  }

  /** What the statements write. */
  String capture(List<Node.Statement> body, Scope scope) {
    StringBuilder out = new StringBuilder();
    interpreter.run(body, scope, out);
    return out.toString();
  }

  Object evaluate(Node.Expression expression, Scope scope) {
    budget.enter();
    Object value =
        switch (expression) {
          case Node.Literal literal -> literal.value();
          case Node.Name name -> name(name.name(), scope);
          case Node.Attribute node -> {
            Object owner = evaluate(node.owner(), scope);
            at = node.at();
            yield attribute(owner, node.name());
          }
          case Node.Item node -> {
            Object owner = evaluate(node.owner(), scope);
            Object key = evaluate(node.key(), scope);
            at = node.at();
            yield item(owner, key);
          }
          case Node.Comparisons node -> comparisons(node, scope);
          case Node.And node -> {
            Object left = evaluate(node.left(), scope);
            yield Values.truth(left) ? evaluate(node.right(), scope) : left;
          }
          case Node.Or node -> {
            Object left = evaluate(node.left(), scope);
            yield Values.truth(left) ? left : evaluate(node.right(), scope);
          }
          case Node.Not node -> !Values.truth(evaluate(node.operand(), scope));
          case Node.Binary node -> {
            Object left = evaluate(node.left(), scope);
            Object right = evaluate(node.right(), scope);
            at = node.at();
            yield Numbers.binary(node.operator(), left, right, budget);
          }
          case Node.TestCall node -> test(node, scope);
          case Node.FilterCall node -> filter(node, scope);
          case Node.Call node -> call(node, scope);
          case Node.Concatenation node -> concatenation(node, scope);
          case Node.Conditional node -> conditional(node, scope);
          case Node.Slice node -> slice(node, scope);
          case Node.ListLiteral node -> new ListValue(all(node.items(), scope));
          case Node.TupleLiteral node -> TupleValue.of(all(node.items(), scope));
          case Node.DictLiteral node -> dict(node, scope);
          case Node.Negation node -> {
            Object operand = evaluate(node.operand(), scope);
            at = node.at();
            yield Numbers.negate(operand);
          }
          case Node.Plus node -> {
            Object operand = evaluate(node.operand(), scope);
            at = node.at();
            yield Numbers.plus(operand);
          }
          case Node.Captured node -> capture(node.body(), new Scope(scope));
        };
    budget.leave();
    return value;
  }

  private static Object name(String name, Scope scope) {
    Object value = scope.find(name);
    if (value == null) {
      value = Globals.find(name);
    }
    return value == null ? Undefined.name(name) : value;
  }

  private List<Object> all(List<Node.Expression> expressions, Scope scope) {
    List<Object> values = new ArrayList<>(expressions.size());
    for (Node.Expression expression : expressions) {
      values.add(evaluate(expression, scope));
    }
    return values;
  }

  private Object dict(Node.DictLiteral node, Scope scope) {
    budget.charge(Budget.STEPS_PER_TABLE);
    DictValue dict = new DictValue(node.keys().size());
    for (int i = 0; i < node.keys().size(); i++) {
      Object key = evaluate(node.keys().get(i), scope);
      dict.put(key, evaluate(node.values().get(i), scope), budget);
    }
    return dict;
  }

  private Object comparisons(Node.Comparisons node, Scope scope) {
    Object left = evaluate(node.first(), scope);
    for (int i = 0; i < node.operators().size(); i++) {
      Object right = evaluate(node.others().get(i), scope);
      at = node.at();
      if (!Comparison.test(node.operators().get(i), left, right, budget)) {
        return false;
      }
      left = right;
    }
    return true;
  }

  private Object concatenation(Node.Concatenation node, Scope scope) {
    StringBuilder out = new StringBuilder();
    for (Node.Expression part : node.parts()) {
      String text = PythonText.str(evaluate(part, scope), budget);
      budget.chargeAppend((long) out.length() + text.length(), text.length());
      out.append(text);
    }
    return out.toString();
  }

  private Object conditional(Node.Conditional node, Scope scope) {
    if (Values.truth(evaluate(node.test(), scope))) {
      return evaluate(node.then(), scope);
    }
    Node.Expression otherwise = node.otherwise();
    return otherwise == null
        ? Undefined.because(
            "the inline if-expression evaluated to false and no else section was defined.")
        : evaluate(otherwise, scope);
  }

  private Object slice(Node.Slice node, Scope scope) {
    Object owner = evaluate(node.owner(), scope);
    Object start = evaluate(node.start(), scope);
    Object stop = evaluate(node.stop(), scope);
    Object step = evaluate(node.step(), scope);
    at = node.at();
    if (owner instanceof Undefined undefined) {
      throw undefined.error();
    }
    return Slices.slice(owner, start, stop, step, budget);
  }

  private Object test(Node.TestCall node, Scope scope) {
    Object value = evaluate(node.value(), scope);
    Arguments arguments = arguments(node.arguments(), scope);
    at = node.at();
    Test test = node.test();
    if (test == null) {
      throw PythonError.template("No test named '" + node.name() + "' found.");
    }
    return test.holds(value, arguments, this);
  }

  private Object filter(Node.FilterCall node, Scope scope) {
    Object value = evaluate(node.value(), scope);
    Arguments arguments = arguments(node.arguments(), scope);
    at = node.at();
    Filter filter = node.filter();
    if (filter == null) {
      throw PythonError.template("No filter named '" + node.name() + "' found.");
    }
    return filter.apply(value, arguments, this);
  }

  private Object call(Node.Call node, Scope scope) {
    Object callee = evaluate(node.callee(), scope);
    Arguments arguments = arguments(node.arguments(), scope);
    at = node.at();
    return call(callee, arguments);
  }

  /** Calls a value. */
  Object call(Object callee, Arguments arguments) {
    return switch (callee) {
      case Callable callable -> callable.call(arguments, this);
      case Undefined undefined -> throw undefined.error();
      default -> throw PythonError.type("'" + Values.typeName(callee) + "' object is not callable");
    };
  }

  /** The call of a call block, with the block's body as its caller. */
  Object call(Node.Call node, Macro caller, Scope scope) {
    Object callee = evaluate(node.callee(), scope);
    Arguments arguments = arguments(node.arguments(), scope);
    Map<String, Object> named = new LinkedHashMap<>(arguments.named());
    named.put(Macro.CALLER, caller);
    at = node.at();
    return call(callee, new Arguments(arguments.positional(), named));
  }

  private Arguments arguments(Node.ArgumentList list, Scope scope) {
    if (list.isEmpty()) {
      return Arguments.NONE;
    }
    List<Object> positional = all(list.positional(), scope);
    Map<String, Object> named = Map.of();
    if (!list.names().isEmpty()) {
      named = new LinkedHashMap<>();
      for (int i = 0; i < list.names().size(); i++) {
        named.put(list.names().get(i), evaluate(list.named().get(i), scope));
      }
    }
    Node.Expression rest = list.rest();
    if (rest != null) {
      positional.addAll(Values.toList(evaluate(rest, scope), budget));
    }
    Node.Expression namedRest = list.namedRest();
    if (namedRest != null) {
      named = withRest(named, evaluate(namedRest, scope));
    }
    return new Arguments(positional, named);
  }

  private static Map<String, Object> withRest(Map<String, Object> named, Object rest) {
    if (!(rest instanceof DictValue dict)) {
      throw PythonError.type("argument after ** must be a mapping, not " + Values.typeName(rest));
    }
    Map<String, Object> all = new LinkedHashMap<>(named);
    Methods.toNamed(dict)
        .forEach(
            (name, value) -> {
              if (all.putIfAbsent(name, value) != null) {
                throw PythonError.type("got multiple values for keyword argument '" + name + "'");
              }
            });
    return all;
  }

  /** {@code owner.name}: a method before a key. */
  Object attribute(Object owner, String name) {
    if (owner instanceof DictValue dict) {
      Object method = Methods.find(dict, name);
      Object value = method == null ? dict.get(name) : method;
      return value == null ? Undefined.member(owner, name) : value;
    }
    return own(owner, name);
  }

  private static Object own(Object owner, String name) {
    Object value =
        switch (owner) {
          case Undefined undefined -> throw undefined.error();
          case Namespace namespace -> namespace.attributes().get(name);
          case LoopContext loop -> loop.attribute(name);
          case TupleValue tuple when tuple.fields().contains(name) ->
              tuple.items().get(tuple.fields().indexOf(name));
          default -> Methods.find(owner, name);
        };
    return value == null ? Undefined.member(owner, name) : value;
  }

  /** {@code owner[key]}: a key before a method. */
  Object item(Object owner, Object key) {
    Object value =
        switch (owner) {
          case DictValue dict when key instanceof String name -> dict.get(name);
          case DictValue dict -> DictValue.isHashable(key, budget) ? dict.get(key, budget) : null;
          case Undefined undefined -> throw undefined.error();
          case Sequence sequence when key instanceof Long index -> {
            List<Object> items = sequence.items();
            int place = place(index, items.size());
            yield place < 0 ? null : items.get(place);
          }
          default -> Values.isInteger(key) ? element(owner, Numbers.big(key).longValue()) : null;
        };
    if (value != null) {
      return value;
    }
    if (!Values.isText(key)) {
      return Undefined.member(owner, key);
    }
    String name = Values.text(key);
    if (owner instanceof DictValue) {
      Object method = Methods.find(owner, name);
      return method == null ? Undefined.member(owner, name) : method;
    }
    return own(owner, name);
  }

  private static @Nullable Object element(Object owner, long index) {
    return switch (owner) {
      case Sequence sequence -> {
        int place = place(index, sequence.items().size());
        yield place < 0 ? null : sequence.items().get(place);
      }
      case RangeValue range -> {
        int place = place(index, range.length());
        yield place < 0 ? null : (Object) range.get(place);
      }
      case Markup markup -> {
        String character = character(markup.text(), index);
        yield character == null ? null : new Markup(character);
      }
      case String text -> character(text, index);
      default -> null;
    };
  }

  private static @Nullable String character(String text, long index) {
    int place = place(index, text.codePointCount(0, text.length()));
    if (place < 0) {
      return null;
    }
    int start = text.offsetByCodePoints(0, place);
    return text.substring(start, text.offsetByCodePoints(start, 1));
  }

  /** Where an index that may count from the end points, or -1 if outside. */
  private static int place(long index, int length) {
    long place = index < 0 ? index + length : index;
    return place >= 0 && place < length ? (int) place : -1;
  }
}
