package dev.weir.engine.text.jinja;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** Runs the statements of one rendering. */
final class Interpreter {

  private enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  private final Evaluator evaluator;

  Interpreter(Evaluator evaluator) {
    this.evaluator = evaluator;
  }

  /** Runs a body to its end, or to a break or continue, which no body but a loop's can meet. */
  void run(List<Node.Statement> body, Scope scope, StringBuilder out) {
    runAll(body, scope, out);
  }

  private Flow runAll(List<Node.Statement> body, Scope scope, StringBuilder out) {
    evaluator.budget().enter();
    for (int i = 0; i < body.size(); i++) {
      Flow flow = runOne(body.get(i), scope, out);
      if (flow != Flow.NEXT) {
        evaluator.budget().leave();
        return flow;
      }
    }
    evaluator.budget().leave();
    return Flow.NEXT;
  }

  private Flow runOne(Node.Statement statement, Scope scope, StringBuilder out) {
    evaluator.budget().charge(1);
    switch (statement) {
      case Node.Text text -> write(text.text(), out);
      case Node.Output output -> {
        Object value = evaluator.evaluate(output.value(), scope);
        evaluator.setAt(output.at());
        write(PythonText.str(value, evaluator.budget()), out);
      }
      case Node.If node -> {
        return runIf(node, scope, out);
      }
      case Node.Assign node -> {
        Object value = evaluator.evaluate(node.value(), scope);
        evaluator.setAt(node.at());
        assign(node.target(), value, scope);
      }
      case Node.For node -> {
        Object iterable = evaluator.evaluate(node.iterable(), scope);
        evaluator.setAt(node.at());
        runFor(node, iterable, 0, scope, out);
      }
      case Node.Break node -> {
        return Flow.BREAK;
      }
      case Node.Continue node -> {
        return Flow.CONTINUE;
      }
      case Node.MacroDefinition node ->
          scope.set(node.code().name(), new Macro(node.code(), scope));
      case Node.CallBlock node -> {
        Macro caller = new Macro(node.caller(), scope);
        Object value = evaluator.call(node.call(), caller, scope);
        write(PythonText.str(value, evaluator.budget()), out);
      }
      case Node.With node -> {
        return runWith(node, scope, out);
      }
      case Node.Generation node -> runAll(node.body(), new Scope(scope), out);
    }
    return Flow.NEXT;
  }

  private void write(String text, StringBuilder out) {
    evaluator.budget().chargeAppend((long) out.length() + text.length(), text.length());
    out.append(text);
  }

  private Flow runIf(Node.If node, Scope scope, StringBuilder out) {
    for (Node.Branch branch : node.branches()) {
      if (Values.truth(evaluator.evaluate(branch.test(), scope))) {
        return runAll(branch.body(), scope, out);
      }
    }
    return runAll(node.otherwise(), scope, out);
  }

  private Flow runWith(Node.With node, Scope scope, StringBuilder out) {
    Scope inner = new Scope(scope);
    for (int i = 0; i < node.targets().size(); i++) {
      // As in jinja2, a value does not see the targets before it.
      assign(node.targets().get(i), evaluator.evaluate(node.values().get(i), scope), inner);
    }
    return runAll(node.body(), inner, out);
  }

  private void runFor(Node.For node, Object iterable, int depth, Scope scope, StringBuilder out) {
    Iterator<Object> items = Values.iterate(iterable);
    Node.Expression condition = node.condition();
    Object counted = iterable;
    if (condition != null) {
      items = new Selected(items, condition, node.target(), scope);
      counted = new Generator(items);
    }
    LoopContext loop =
        new LoopContext(
            counted,
            items,
            depth,
            node.recursive() ? inner -> recurse(node, inner, depth + 1, scope) : null,
            evaluator.budget());
    boolean empty = true;
    for (Object item = loop.next(); item != null; item = loop.next()) {
      empty = false;
      evaluator.budget().charge(Budget.STEPS_PER_TABLE);
      Scope inner = new Scope(scope);
      inner.set("loop", loop);
      assign(node.target(), item, inner);
      if (runAll(node.body(), inner, out) == Flow.BREAK) {
        break;
      }
    }
    if (empty) {
      runAll(node.otherwise(), new Scope(scope), out);
    }
  }

  private String recurse(Node.For node, Object iterable, int depth, Scope scope) {
    evaluator.budget().enter();
    StringBuilder out = new StringBuilder();
    runFor(node, iterable, depth, scope, out);
    evaluator.budget().leave();
    return out.toString();
  }

  private void assign(Node.Target target, Object value, Scope scope) {
    switch (target) {
      case Node.NameTarget name -> scope.set(name.name(), value);
      case Node.NamespaceTarget member -> {
        evaluator.setAt(member.at());
        if (!(scope.find(member.namespace()) instanceof Namespace namespace)) {
          throw PythonError.template("cannot assign attribute on non-namespace object");
        }
        namespace.attributes().put(member.attribute(), value);
      }
      case Node.TupleTarget tuple -> {
        evaluator.setAt(tuple.at());
        unpack(tuple, value, scope);
      }
    }
  }

  private void unpack(Node.TupleTarget target, Object value, Scope scope) {
    int wanted = target.targets().size();
    if (!Values.isIterable(value)) {
      throw PythonError.type("cannot unpack non-iterable " + Values.typeName(value) + " object");
    }
    List<Object> items = Values.toList(value, evaluator.budget());
    if (items.size() != wanted) {
      throw PythonError.value(
          items.size() > wanted
              ? "too many values to unpack (expected " + wanted + ")"
              : "not enough values to unpack (expected " + wanted + ", got " + items.size() + ")");
    }
    for (int i = 0; i < wanted; i++) {
      assign(target.targets().get(i), items.get(i), scope);
    }
  }

  /** The items of a loop that its condition lets through, tested one by one as the loop goes on. */
  private final class Selected implements Iterator<Object> {

    private final Iterator<Object> items;
    private final Node.Expression condition;
    private final Node.Target target;
    private final Scope scope;
    private @Nullable Object next;

    private Selected(
        Iterator<Object> items, Node.Expression condition, Node.Target target, Scope scope) {
      this.items = items;
      this.condition = condition;
      this.target = target;
      this.scope = scope;
    }

    @Override
    public boolean hasNext() {
      while (next == null && items.hasNext()) {
        Object item = items.next();
        Scope inner = new Scope(scope);
        assign(target, item, inner);
        if (Values.truth(evaluator.evaluate(condition, inner))) {
          next = item;
        }
      }
      return next != null;
    }

    @Override
    public Object next() {
      if (!hasNext() || next == null) {
        throw new NoSuchElementException();
      }
      Object item = next;
      next = null;
      return item;
    }
  }
}
