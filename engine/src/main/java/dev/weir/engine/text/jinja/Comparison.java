package dev.weir.engine.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Iterator;
import java.util.List;

/** Python's equality, order and membership. */
final class Comparison {

  private Comparison() {}

  /** The comparing operators of the language. */
  enum Operator {
    EQUAL("=="),
    NOT_EQUAL("!="),
    LESS("<"),
    LESS_OR_EQUAL("<="),
    GREATER(">"),
    GREATER_OR_EQUAL(">="),
    IN("in"),
    NOT_IN("not in");

    final String symbol;

    Operator(String symbol) {
      this.symbol = symbol;
    }
  }

  static boolean test(Operator operator, Object left, Object right, Budget budget) {
    return switch (operator) {
      case EQUAL -> equal(left, right, budget);
      case NOT_EQUAL -> !equal(left, right, budget);
      case IN -> contains(right, left, budget);
      case NOT_IN -> !contains(right, left, budget);
      default -> ordered(operator, left, right, budget);
    };
  }

  @SuppressWarnings("ReferenceEquality") // One and the same value needs no look inside.
  static boolean equal(Object left, Object right, Budget budget) {
    if (left == right) {
      return !(left instanceof Double real && real.isNaN());
    }
    return switch (left) {
      case String text ->
          right instanceof String other ? text.equals(other) : equalMarkup(text, right);
      case Markup markup -> Values.isText(right) && markup.text().equals(Values.text(right));
      case Undefined undefined -> right instanceof Undefined;
      case ListValue list -> right instanceof ListValue other && equalItems(list, other, budget);
      case TupleValue tuple ->
          right instanceof TupleValue other && equalItems(tuple, other, budget);
      case DictValue dict -> right instanceof DictValue other && equalDicts(dict, other, budget);
      case RangeValue range -> range.equals(right);
      default ->
          Values.isNumber(left) && Values.isNumber(right) && compareNumbers(left, right) == 0;
    };
  }

  private static boolean equalMarkup(String text, Object right) {
    return right instanceof Markup markup && text.equals(markup.text());
  }

  private static boolean equalItems(Sequence left, Sequence right, Budget budget) {
    List<Object> a = left.items();
    List<Object> b = right.items();
    if (a.size() != b.size()) {
      return false;
    }
    budget.enter();
    for (int i = 0; i < a.size(); i++) {
      budget.charge(1);
      if (!equal(a.get(i), b.get(i), budget)) {
        budget.leave();
        return false;
      }
    }
    budget.leave();
    return true;
  }

  private static boolean equalDicts(DictValue left, DictValue right, Budget budget) {
    if (left.size() != right.size()) {
      return false;
    }
    budget.enter();
    for (DictValue.Entry entry : left.entries()) {
      budget.charge(1);
      Object other = right.get(entry.key(), budget);
      if (other == null || !equal(entry.value(), other, budget)) {
        budget.leave();
        return false;
      }
    }
    budget.leave();
    return true;
  }

  /** As {@link Integer#compare}; 2 where one of them is not a number. */
  private static int compareNumbers(Object left, Object right) {
    if (left instanceof Long a && right instanceof Long b) {
      return Long.compare(a, b);
    }
    if (left instanceof Double a && right instanceof Double b) {
      return compareReals(a, b);
    }
    if (left instanceof Double a) {
      return Double.isNaN(a) ? 2 : -compareToReal(Numbers.big(right), a);
    }
    if (right instanceof Double b) {
      return Double.isNaN(b) ? 2 : compareToReal(Numbers.big(left), b);
    }
    return Numbers.big(left).compareTo(Numbers.big(right));
  }

  private static int compareReals(double a, double b) {
    if (a == b) {
      return 0;
    }
    return a < b ? -1 : a > b ? 1 : 2;
  }

  private static int compareToReal(BigInteger integer, double real) {
    if (Double.isInfinite(real)) {
      return real > 0 ? -1 : 1;
    }
    return new BigDecimal(integer).compareTo(new BigDecimal(real));
  }

  private static boolean ordered(Operator operator, Object left, Object right, Budget budget) {
    if (left instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (right instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (Values.isNumber(left) && Values.isNumber(right)) {
      int order = compareNumbers(left, right);
      return order != 2 && holds(operator, order);
    }
    if (Values.isText(left) && Values.isText(right)) {
      return holds(operator, compareText(Values.text(left), Values.text(right)));
    }
    if (left instanceof Sequence a && right instanceof Sequence b && a.getClass() == b.getClass()) {
      return orderedItems(operator, a.items(), b.items(), budget);
    }
    throw PythonError.type(
        "'"
            + operator.symbol
            + "' not supported between instances of '"
            + Values.typeName(left)
            + "' and '"
            + Values.typeName(right)
            + "'");
  }

  private static boolean orderedItems(
      Operator operator, List<Object> left, List<Object> right, Budget budget) {
    budget.enter();
    int common = Math.min(left.size(), right.size());
    for (int i = 0; i < common; i++) {
      budget.charge(1);
      if (!equal(left.get(i), right.get(i), budget)) {
        boolean result = ordered(operator, left.get(i), right.get(i), budget);
        budget.leave();
        return result;
      }
    }
    budget.leave();
    return holds(operator, Integer.compare(left.size(), right.size()));
  }

  private static boolean holds(Operator operator, int order) {
    return switch (operator) {
      case LESS -> order < 0;
      case LESS_OR_EQUAL -> order <= 0;
      case GREATER -> order > 0;
      case GREATER_OR_EQUAL -> order >= 0;
      default -> throw new AssertionError(operator);
    };
  }

  /** By code points, as Python compares; Java's own order is by UTF-16 units. */
  private static int compareText(String left, String right) {
    int common = Math.min(left.length(), right.length());
    for (int i = 0; i < common; i++) {
      char a = left.charAt(i);
      char b = right.charAt(i);
      if (a != b) {
        boolean surrogateA = Character.isSurrogate(a);
        return surrogateA == Character.isSurrogate(b)
            ? Character.compare(a, b)
            : surrogateA ? 1 : -1;
      }
    }
    return Integer.compare(left.length(), right.length());
  }

  /** An order for sorting: what is equal keeps its place, the rest must be ordered. */
  static int order(Object left, Object right, Budget budget) {
    budget.charge(1);
    if (equal(left, right, budget)) {
      return 0;
    }
    return ordered(Operator.LESS, left, right, budget) ? -1 : 1;
  }

  static boolean contains(Object container, Object item, Budget budget) {
    return switch (container) {
      case String text -> containsText(text, item, budget);
      case Markup markup -> containsText(markup.text(), item, budget);
      case DictValue dict -> dict.get(item, budget) != null;
      case DictView view when view.part() == DictView.Part.KEYS ->
          view.dict().get(item, budget) != null;
      default -> containsItem(container, item, budget);
    };
  }

  private static boolean containsItem(Object container, Object item, Budget budget) {
    if (!Values.isIterable(container)) {
      throw PythonError.type(
          "argument of type '" + Values.typeName(container) + "' is not iterable");
    }
    for (Iterator<Object> rest = Values.iterate(container); rest.hasNext(); ) {
      budget.charge(1);
      if (equal(rest.next(), item, budget)) {
        return true;
      }
    }
    return false;
  }

  private static boolean containsText(String text, Object item, Budget budget) {
    if (!Values.isText(item)) {
      throw PythonError.type(
          "'in <string>' requires string as left operand, not " + Values.typeName(item));
    }
    String pattern = Values.text(item);
    budget.chargeSearch(text.length(), pattern.length());
    return text.contains(pattern);
  }
}
