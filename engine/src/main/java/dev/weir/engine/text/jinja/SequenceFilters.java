package dev.weir.engine.text.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The filters that work on lists, dicts and what else can be iterated. Those that are generators in
 * jinja2 are {@link Generator}s here: they do nothing until they are read, and are read once.
 */
final class SequenceFilters {

  private static final List<String> GROUP_FIELDS = List.of("grouper", "list");

  private SequenceFilters() {}

  static Map<String, Filter> all() {
    Map<String, Filter> filters = new HashMap<>();
    filters.put("length", SequenceFilters::length);
    filters.put("count", SequenceFilters::length);
    filters.put("list", SequenceFilters::list);
    filters.put("items", SequenceFilters::items);
    filters.put("first", SequenceFilters::first);
    filters.put("last", SequenceFilters::last);
    filters.put("join", SequenceFilters::join);
    filters.put("reverse", SequenceFilters::reverse);
    filters.put("sort", SequenceFilters::sort);
    filters.put("dictsort", SequenceFilters::dictSort);
    filters.put("unique", SequenceFilters::unique);
    filters.put("groupby", SequenceFilters::groupBy);
    filters.put("batch", SequenceFilters::batch);
    filters.put("slice", SequenceFilters::slice);
    filters.put("sum", SequenceFilters::sum);
    filters.put("min", (value, arguments, evaluator) -> extreme(value, arguments, evaluator, -1));
    filters.put("max", (value, arguments, evaluator) -> extreme(value, arguments, evaluator, 1));
    filters.put("map", SequenceFilters::map);
    filters.put("select", (value, args, evaluator) -> select(value, args, evaluator, true, false));
    filters.put("reject", (value, args, evaluator) -> select(value, args, evaluator, false, false));
    filters.put(
        "selectattr", (value, args, evaluator) -> select(value, args, evaluator, true, true));
    filters.put(
        "rejectattr", (value, args, evaluator) -> select(value, args, evaluator, false, true));
    return filters;
  }

  private static Object length(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("length", 0);
    return Values.length(value);
  }

  private static Object list(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("list", 0);
    return new ListValue(Values.toList(value, evaluator.budget()));
  }

  private static Object items(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("items", 0);
    return lazily(
        evaluator.budget(),
        () ->
            switch (value) {
              case Undefined undefined -> Collections.emptyIterator();
              case DictValue dict -> new DictView(dict, DictView.Part.ITEMS).iterator();
              default -> throw PythonError.type("Can only get item pairs from a mapping.");
            });
  }

  private static Object first(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("first", 0);
    Iterator<Object> items = Values.iterate(value);
    return items.hasNext() ? items.next() : Undefined.because("No first item, sequence was empty.");
  }

  private static Object last(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("last", 0);
    if (value instanceof Generator) {
      throw PythonError.type("'generator' object is not reversible");
    }
    List<Object> items = Values.toList(value, evaluator.budget());
    return items.isEmpty()
        ? Undefined.because("No last item, sequence was empty.")
        : items.get(items.size() - 1);
  }

  private static Object join(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("join", 0, "d", "attribute");
    Budget budget = evaluator.budget();
    UnaryOperator<Object> getter = getter(bound.get(1), null, evaluator);
    String separator = PythonText.str(bound.or(0, ""), budget);
    StringBuilder out = new StringBuilder();
    boolean isFirst = true;
    for (Iterator<Object> rest = Values.iterate(value); rest.hasNext(); ) {
      String text = PythonText.str(getter.apply(rest.next()), budget);
      int added = separator.length() + text.length();
      budget.charge(1);
      budget.chargeAppend((long) out.length() + added, added);
      out.append(isFirst ? "" : separator).append(text);
      isFirst = false;
    }
    return out.toString();
  }

  private static Object reverse(Object value, Arguments arguments, Evaluator evaluator) {
    arguments.bind("reverse", 0);
    Budget budget = evaluator.budget();
    if (Values.isText(value)) {
      String text = Values.text(value);
      budget.chargeText(text.length());
      return Slices.slice(value, None.NONE, None.NONE, -1L, budget);
    }
    if (!Values.isIterable(value)) {
      throw PythonError.filterArgument("argument must be iterable");
    }
    List<Object> items = Numbers.reversed(Values.toList(value, budget));
    return value instanceof Generator
        ? new ListValue(items)
        : new Generator("list_reverseiterator", items.iterator());
  }

  private static Object sort(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
    List<UnaryOperator<Object>> getters = new ArrayList<>();
    boolean ignoreCase = !bound.flag(1, false);
    if (Values.isText(bound.get(2))) {
      for (String attribute : bound.text(2).split(",", -1)) {
        getters.add(key(attribute, ignoreCase, evaluator));
      }
    } else {
      getters.add(key(bound.get(2), ignoreCase, evaluator));
    }
    UnaryOperator<Object> keys =
        item -> {
          List<Object> values = new ArrayList<>(getters.size());
          getters.forEach(getter -> values.add(getter.apply(item)));
          return new ListValue(values);
        };
    return new ListValue(sorted(value, keys, bound.flag(0, false), evaluator));
  }

  private static Object dictSort(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("dictsort", 0, "case_sensitive", "by", "reverse");
    String by = bound.has(1) ? bound.text(1) : "key";
    if (!by.equals("key") && !by.equals("value")) {
      throw PythonError.filterArgument("You can only sort by either \"key\" or \"value\"");
    }
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!(value instanceof DictValue dict)) {
      throw PythonError.type("'" + Values.typeName(value) + "' object has no attribute 'items'");
    }
    UnaryOperator<Object> keys = key(by.equals("key") ? 0L : 1L, !bound.flag(0, false), evaluator);
    Object pairs = new DictView(dict, DictView.Part.ITEMS);
    return new ListValue(sorted(pairs, keys, bound.flag(2, false), evaluator));
  }

  private static List<Object> sorted(
      Object value, UnaryOperator<Object> key, boolean reverse, Evaluator evaluator) {
    record Keyed(Object key, Object item) {}
    List<Keyed> keyed = new ArrayList<>();
    for (Object item : Values.toList(value, evaluator.budget())) {
      keyed.add(new Keyed(key.apply(item), item));
    }
    Comparator<Keyed> order = (a, b) -> Comparison.order(a.key, b.key, evaluator.budget());
    try {
      keyed.sort(reverse ? order.reversed() : order);
    } catch (IllegalArgumentException e) {
      throw PythonError.value("these values have no consistent order");
    }
    List<Object> items = new ArrayList<>(keyed.size());
    keyed.forEach(one -> items.add(one.item));
    return items;
  }

  private static Object unique(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("unique", 0, "case_sensitive", "attribute");
    UnaryOperator<Object> key = key(bound.get(1), !bound.flag(0, false), evaluator);
    Set<Object> seen = new HashSet<>();
    return lazily(
        evaluator.budget(),
        () ->
            filtered(
                Values.iterate(value),
                item -> seen.add(DictValue.identity(key.apply(item), evaluator.budget())),
                evaluator));
  }

  private static Object groupBy(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("groupby", 1, "attribute", "default", "case_sensitive");
    Object fallback = bound.isNone(1) ? null : bound.get(1);
    UnaryOperator<Object> shown = getter(bound.get(0), fallback, evaluator);
    UnaryOperator<Object> key =
        bound.flag(2, false) ? shown : item -> ignoreCase(shown.apply(item));
    List<Object> groups = new ArrayList<>();
    List<Object> group = new ArrayList<>();
    for (Object item : sorted(value, key, false, evaluator)) {
      boolean isNew =
          group.isEmpty()
              || !Comparison.equal(key.apply(group.get(0)), key.apply(item), evaluator.budget());
      if (isNew) {
        group = new ArrayList<>();
        groups.add(new TupleValue(List.of(shown.apply(item), new ListValue(group)), GROUP_FIELDS));
      }
      group.add(item);
    }
    return new ListValue(groups);
  }

  private static Object batch(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("batch", 1, "linecount", "fill_with");
    long size = bound.integer(0, 1);
    List<Object> items = Values.toList(value, evaluator.budget());
    List<Object> batches = new ArrayList<>();
    for (int from = 0; from < items.size(); ) {
      int to = size <= 0 ? items.size() : (int) Math.min(items.size(), from + size);
      List<Object> batch = new ArrayList<>(items.subList(from, to));
      if (!bound.isNone(1)) {
        evaluator.budget().charge(Math.max(0, size - batch.size()));
        while (batch.size() < size) {
          batch.add(bound.get(1));
        }
      }
      batches.add(new ListValue(batch));
      from = to;
    }
    return new Generator(batches.iterator());
  }

  private static Object slice(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("slice", 1, "slices", "fill_with");
    long slices = bound.integer(0, 1);
    if (slices <= 0) {
      throw PythonError.value("slice(): the number of slices must be positive");
    }
    evaluator.budget().charge(slices);
    List<Object> items = Values.toList(value, evaluator.budget());
    long each = items.size() / slices;
    long longer = items.size() % slices;
    List<Object> result = new ArrayList<>();
    int from = 0;
    for (long i = 0; i < slices; i++) {
      int to = (int) (from + each + (i < longer ? 1 : 0));
      List<Object> slice = new ArrayList<>(items.subList(from, to));
      if (!bound.isNone(1) && i >= longer) {
        slice.add(bound.get(1));
      }
      result.add(new ListValue(slice));
      from = to;
    }
    return new Generator(result.iterator());
  }

  private static Object sum(Object value, Arguments arguments, Evaluator evaluator) {
    Arguments.Bound bound = arguments.bind("sum", 0, "attribute", "start");
    UnaryOperator<Object> getter = getter(bound.get(0), null, evaluator);
    Object sum = bound.or(1, 0L);
    if (Values.isText(sum)) {
      throw PythonError.type("sum() can't sum strings [use ''.join(seq) instead]");
    }
    for (Iterator<Object> rest = Values.iterate(value); rest.hasNext(); ) {
      evaluator.budget().charge(1);
      sum =
          Numbers.binary(Numbers.Operator.ADD, sum, getter.apply(rest.next()), evaluator.budget());
    }
    return sum;
  }

  private static Object extreme(
      Object value, Arguments arguments, Evaluator evaluator, int direction) {
    Arguments.Bound bound = arguments.bind("min or max", 0, "case_sensitive", "attribute");
    UnaryOperator<Object> key = key(bound.get(1), !bound.flag(0, false), evaluator);
    Iterator<Object> rest = Values.iterate(value);
    if (!rest.hasNext()) {
      return Undefined.because("No aggregated item, sequence was empty.");
    }
    Object best = rest.next();
    Object bestKey = key.apply(best);
    while (rest.hasNext()) {
      Object item = rest.next();
      Object itemKey = key.apply(item);
      if (Comparison.order(itemKey, bestKey, evaluator.budget()) * direction > 0) {
        best = item;
        bestKey = itemKey;
      }
    }
    return best;
  }

  private static Object map(Object value, Arguments arguments, Evaluator evaluator) {
    return lazily(
        evaluator.budget(),
        () -> {
          if (!Values.truth(value)) {
            return Collections.emptyIterator();
          }
          UnaryOperator<Object> function = mapping(arguments, evaluator);
          Iterator<Object> items = Values.iterate(value);
          return new Iterator<>() {
            @Override
            public boolean hasNext() {
              return items.hasNext();
            }

            @Override
            public Object next() {
              evaluator.budget().charge(1);
              return function.apply(items.next());
            }
          };
        });
  }

  private static UnaryOperator<Object> mapping(Arguments arguments, Evaluator evaluator) {
    if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
      Arguments.Bound bound = arguments.bind("map", 0, "attribute", "default");
      return getter(bound.get(0), bound.isNone(1) ? null : bound.get(1), evaluator);
    }
    if (arguments.positional().isEmpty()) {
      throw PythonError.filterArgument("map requires a filter argument");
    }
    String name = PythonText.str(arguments.positional().get(0), evaluator.budget());
    Filter filter = Filters.find(name);
    if (filter == null) {
      throw PythonError.template("No filter named '" + name + "' found.");
    }
    Arguments rest = arguments.skip(1);
    return item -> filter.apply(item, rest, evaluator);
  }

  private static Object select(
      Object value, Arguments arguments, Evaluator evaluator, boolean wanted, boolean byAttribute) {
    return lazily(
        evaluator.budget(),
        () -> {
          if (!Values.truth(value)) {
            return Collections.emptyIterator();
          }
          Condition condition = condition(arguments, evaluator, byAttribute);
          return filtered(
              Values.iterate(value), item -> condition.holds(item) == wanted, evaluator);
        });
  }

  private static Condition condition(
      Arguments arguments, Evaluator evaluator, boolean byAttribute) {
    Arguments rest = arguments;
    UnaryOperator<Object> getter = item -> item;
    if (byAttribute) {
      if (arguments.positional().isEmpty()) {
        throw PythonError.filterArgument("Missing parameter for attribute name");
      }
      getter = getter(arguments.positional().get(0), null, evaluator);
      rest = arguments.skip(1);
    }
    UnaryOperator<Object> tested = getter;
    if (rest.positional().isEmpty()) {
      return item -> Values.truth(tested.apply(item));
    }
    String name = PythonText.str(rest.positional().get(0), evaluator.budget());
    Test test = Tests.find(name);
    if (test == null) {
      throw PythonError.template("No test named '" + name + "' found.");
    }
    Arguments testArguments = rest.skip(1);
    return item -> test.holds(tested.apply(item), testArguments, evaluator);
  }

  /** What decides whether an item stays. */
  @FunctionalInterface
  private interface Condition {
    boolean holds(Object item);
  }

  /** Where a generator's items come from, asked when the first is read. */
  @FunctionalInterface
  private interface Start {
    Iterator<Object> iterator();
  }

  private static Generator lazily(Budget budget, Start start) {
    return new Generator(
        new Iterator<>() {
          private @Nullable Iterator<Object> items;

          // A generator may read from a generator, and so on: that is nesting too.
          @Override
          public boolean hasNext() {
            budget.enter();
            boolean more = started().hasNext();
            budget.leave();
            return more;
          }

          @Override
          public Object next() {
            budget.enter();
            Object item = started().next();
            budget.leave();
            return item;
          }

          private Iterator<Object> started() {
            Iterator<Object> started = items;
            if (started == null) {
              started = start.iterator();
              items = started;
            }
            return started;
          }
        });
  }

  private static Iterator<Object> filtered(
      Iterator<Object> items, Condition condition, Evaluator evaluator) {
    return new Iterator<>() {
      private @Nullable Object next;

      @Override
      public boolean hasNext() {
        while (next == null && items.hasNext()) {
          evaluator.budget().charge(1);
          Object item = items.next();
          if (condition.holds(item)) {
            next = item;
          }
        }
        return next != null;
      }

      @Override
      public Object next() {
        Object item = hasNext() ? next : null;
        if (item == null) {
          throw new NoSuchElementException();
        }
        next = null;
        return item;
      }
    };
  }

  private static UnaryOperator<Object> key(
      Object attribute, boolean ignoreCase, Evaluator evaluator) {
    UnaryOperator<Object> getter = getter(attribute, null, evaluator);
    return ignoreCase ? item -> ignoreCase(getter.apply(item)) : getter;
  }

  private static Object ignoreCase(Object value) {
    return Values.isText(value) ? Values.text(value).toLowerCase(Locale.ROOT) : value;
  }

  /**
   * Gets {@code item.a.b} for {@code "a.b"}, an element for an integer, the item itself for none.
   */
  private static UnaryOperator<Object> getter(
      Object attribute, @Nullable Object fallback, Evaluator evaluator) {
    if (attribute == None.NONE) {
      return item -> item;
    }
    List<Object> path = new ArrayList<>();
    if (Values.isText(attribute)) {
      for (String part : Values.text(attribute).split("\\.", -1)) {
        boolean isIndex = !part.isEmpty() && part.chars().allMatch(Character::isDigit);
        Object index = isIndex ? Numbers.parseInteger(part, 10) : null;
        path.add(index == null ? part : index);
      }
    } else {
      path.add(attribute);
    }
    return item -> {
      Object value = item;
      for (Object part : path) {
        value = evaluator.item(value, part);
        if (fallback != null && value instanceof Undefined) {
          value = fallback;
        }
      }
      return value;
    };
  }
}
