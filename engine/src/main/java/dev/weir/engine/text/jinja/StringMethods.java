package dev.weir.engine.text.jinja;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's {@code str}, by code points where Python counts them. */
final class StringMethods {

  /** The methods that {@link #call} knows. */
  static final Set<String> NAMES =
      Set.of(
          "capitalize",
          "casefold",
          "center",
          "count",
          "endswith",
          "expandtabs",
          "find",
          "format",
          "format_map",
          "index",
          "isalnum",
          "isalpha",
          "isascii",
          "isdecimal",
          "isdigit",
          "islower",
          "isnumeric",
          "isprintable",
          "isspace",
          "istitle",
          "isupper",
          "join",
          "ljust",
          "lower",
          "lstrip",
          "partition",
          "removeprefix",
          "removesuffix",
          "replace",
          "rfind",
          "rindex",
          "rjust",
          "rpartition",
          "rsplit",
          "rstrip",
          "split",
          "splitlines",
          "startswith",
          "strip",
          "swapcase",
          "title",
          "upper",
          "zfill");

  private StringMethods() {}

  static Object call(String self, String name, Arguments arguments, Evaluator evaluator) {
    Budget budget = evaluator.budget();
    budget.chargeText(self.length());
    return switch (name) {
      case "strip" -> strip(self, arguments, name, true, true);
      case "lstrip" -> strip(self, arguments, name, true, false);
      case "rstrip" -> strip(self, arguments, name, false, true);
      case "split" -> split(self, arguments, false, budget);
      case "rsplit" -> split(self, arguments, true, budget);
      case "splitlines" -> {
        Arguments.Bound bound = arguments.bind(name, 0, "keepends");
        yield new ListValue(List.copyOf(splitLines(self, bound.flag(0, false), budget)));
      }
      case "startswith" -> affix(self, arguments, true);
      case "endswith" -> affix(self, arguments, false);
      case "replace" -> {
        Arguments.Bound bound = arguments.bindPositional(name, 2, "old", "new", "count");
        yield replace(self, bound.text(0), bound.text(1), bound.integer(2, -1), budget);
      }
      case "join" -> join(self, arguments.bindPositional(name, 1, "iterable").get(0), budget);
      case "format" ->
          StringFormat.format(self, arguments.positional(), arguments.named(), evaluator);
      case "format_map" -> {
        Object map = arguments.bindPositional(name, 1, "mapping").get(0);
        if (!(map instanceof DictValue dict)) {
          throw PythonError.type("format_map() expects a mapping");
        }
        yield StringFormat.format(self, List.of(), Methods.toNamed(dict), evaluator);
      }
      case "find" -> find(self, arguments, name, false, budget);
      case "rfind" -> find(self, arguments, name, true, budget);
      case "index" -> foundOrError(find(self, arguments, name, false, budget));
      case "rindex" -> foundOrError(find(self, arguments, name, true, budget));
      case "count" -> count(self, arguments, budget);
      case "partition" -> partition(self, arguments, false, budget);
      case "rpartition" -> partition(self, arguments, true, budget);
      case "removeprefix" -> {
        String prefix = arguments.bindPositional(name, 1, "prefix").text(0);
        yield self.startsWith(prefix) ? self.substring(prefix.length()) : self;
      }
      case "removesuffix" -> {
        String suffix = arguments.bindPositional(name, 1, "suffix").text(0);
        yield self.endsWith(suffix) ? self.substring(0, self.length() - suffix.length()) : self;
      }
      case "center", "ljust", "rjust" -> pad(self, arguments, name, budget);
      case "zfill" -> {
        long width = arguments.bindPositional(name, 1, "width").integer(0, 0);
        yield zeroFill(self, width, budget);
      }
      case "expandtabs" -> {
        long size = arguments.bind(name, 0, "tabsize").integer(0, 8);
        yield expandTabs(self, size, budget);
      }
      default -> {
        arguments.bindPositional(name, 0);
        yield withoutArguments(self, name);
      }
    };
  }

  private static Object withoutArguments(String self, String name) {
    return switch (name) {
      case "upper" -> self.toUpperCase(Locale.ROOT);
      case "lower" -> self.toLowerCase(Locale.ROOT);
      case "casefold" -> self.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT);
      case "title" -> title(self);
      case "capitalize" -> capitalize(self);
      case "swapcase" -> swapCase(self);
      case "isalnum" -> all(self, c -> Character.isLetter(c) || isNumeric(c));
      case "isalpha" -> all(self, Character::isLetter);
      case "isascii" -> self.chars().allMatch(c -> c < 0x80);
      case "isdecimal" -> all(self, Character::isDigit);
      case "isdigit" -> all(self, c -> Character.isDigit(c) || "²³¹".indexOf(c) >= 0);
      case "isnumeric" -> all(self, StringMethods::isNumeric);
      case "isspace" -> all(self, PythonText::isSpace);
      case "isprintable" -> self.codePoints().allMatch(PythonText::isPrintable);
      case "islower" -> isLower(self);
      case "isupper" -> isUpper(self);
      case "istitle" -> isTitle(self);
      default -> throw new AssertionError(name);
    };
  }

  private static boolean isNumeric(int c) {
    int type = Character.getType(c);
    return type == Character.DECIMAL_DIGIT_NUMBER
        || type == Character.LETTER_NUMBER
        || type == Character.OTHER_NUMBER;
  }

  private static boolean all(String text, IntPredicate property) {
    return !text.isEmpty() && text.codePoints().allMatch(property);
  }

  static boolean isLower(String text) {
    return text.codePoints().anyMatch(Character::isLowerCase)
        && text.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
  }

  static boolean isUpper(String text) {
    return text.codePoints().anyMatch(Character::isUpperCase)
        && text.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
  }

  private static boolean isCased(int c) {
    return Character.isLowerCase(c) || Character.isUpperCase(c) || Character.isTitleCase(c);
  }

  private static boolean isTitle(String text) {
    boolean found = false;
    boolean afterCased = false;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      if (isCased(c)) {
        if (Character.isLowerCase(c) != afterCased) {
          return false;
        }
        found = true;
      }
      afterCased = isCased(c);
    }
    return found;
  }

  private static String title(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean afterCased = false;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      out.appendCodePoint(afterCased ? Character.toLowerCase(c) : Character.toTitleCase(c));
      afterCased = isCased(c);
    }
    return out.toString();
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = text.codePointAt(0);
    String rest = text.substring(Character.charCount(first)).toLowerCase(Locale.ROOT);
    // A few letters have two capitals for one, of which the first alone is wanted: ß, ﬁ.
    String capitals = Character.toString(first).toUpperCase(Locale.ROOT);
    return capitals.codePointCount(0, capitals.length()) > 1
        ? capitals.substring(0, 1) + capitals.substring(1).toLowerCase(Locale.ROOT) + rest
        : Character.toString(Character.toTitleCase(first)) + rest;
  }

  private static String swapCase(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .map(c -> Character.isUpperCase(c) ? Character.toLowerCase(c) : Character.toUpperCase(c))
        .forEach(out::appendCodePoint);
    return out.toString();
  }

  /** {@code text.strip()}. */
  static String strip(String text) {
    return strip(text, PythonText::isSpace, true, true);
  }

  /** {@code text.rstrip()}. */
  static String stripRight(String text) {
    return strip(text, PythonText::isSpace, false, true);
  }

  private static String strip(
      String self, Arguments arguments, String name, boolean left, boolean right) {
    Arguments.Bound bound = arguments.bindPositional(name, 0, "chars");
    return strip(self, bound.isNone(0) ? null : bound.text(0), left, right);
  }

  /** Strips {@code characters}, or white space where that is null, from the chosen ends. */
  static String strip(String text, @Nullable String characters, boolean left, boolean right) {
    if (characters == null) {
      return strip(text, PythonText::isSpace, left, right);
    }
    if (characters.length() == 1) {
      char only = characters.charAt(0);
      return strip(text, c -> c == only, left, right);
    }
    Set<Integer> set = new HashSet<>();
    characters.codePoints().forEach(set::add);
    return strip(text, set::contains, left, right);
  }

  private static String strip(String text, IntPredicate drop, boolean left, boolean right) {
    int start = 0;
    int end = text.length();
    while (left && start < end && drop.test(text.codePointAt(start))) {
      start += Character.charCount(text.codePointAt(start));
    }
    while (right && start < end && drop.test(text.codePointBefore(end))) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(start, end);
  }

  private static Object split(String self, Arguments arguments, boolean fromRight, Budget budget) {
    Arguments.Bound bound = arguments.bind(fromRight ? "rsplit" : "split", 0, "sep", "maxsplit");
    long limit = bound.integer(1, -1);
    long max = limit < 0 ? Long.MAX_VALUE : limit;
    List<Object> parts;
    if (bound.isNone(0)) {
      parts = fromRight ? splitSpaceRight(self, max, budget) : splitSpace(self, max, budget);
    } else {
      String separator = bound.text(0);
      if (separator.isEmpty()) {
        throw PythonError.value("empty separator");
      }
      budget.chargeSearch(self.length(), separator.length());
      parts =
          fromRight
              ? splitTextRight(self, separator, max, budget)
              : splitText(self, separator, max, budget);
    }
    return new ListValue(parts);
  }

  private static List<Object> splitText(String self, String separator, long max, Budget budget) {
    List<Object> parts = new ArrayList<>();
    int start = 0;
    int found = self.indexOf(separator);
    while (found >= 0 && parts.size() < max) {
      budget.charge(1);
      parts.add(self.substring(start, found));
      start = found + separator.length();
      found = self.indexOf(separator, start);
    }
    parts.add(self.substring(start));
    return parts;
  }

  private static List<Object> splitTextRight(
      String self, String separator, long max, Budget budget) {
    List<Object> parts = new ArrayList<>();
    int end = self.length();
    int found = self.lastIndexOf(separator, end - separator.length());
    while (found >= 0 && parts.size() < max) {
      budget.charge(1);
      parts.add(self.substring(found + separator.length(), end));
      end = found;
      found = end < separator.length() ? -1 : self.lastIndexOf(separator, end - separator.length());
    }
    parts.add(self.substring(0, end));
    return Numbers.reversed(parts);
  }

  private static List<Object> splitSpace(String self, long max, Budget budget) {
    List<Object> parts = new ArrayList<>();
    String rest = strip(self, PythonText::isSpace, true, false);
    int start = self.length() - rest.length();
    while (start < self.length()) {
      if (parts.size() >= max) {
        parts.add(self.substring(start));
        break;
      }
      budget.charge(1);
      int end = start;
      while (end < self.length() && !PythonText.isSpace(self.charAt(end))) {
        end++;
      }
      parts.add(self.substring(start, end));
      start = end;
      while (start < self.length() && PythonText.isSpace(self.charAt(start))) {
        start++;
      }
    }
    return parts;
  }

  private static List<Object> splitSpaceRight(String self, long max, Budget budget) {
    List<Object> parts = new ArrayList<>();
    int end = stripRight(self).length();
    while (end > 0) {
      if (parts.size() >= max) {
        parts.add(self.substring(0, end));
        break;
      }
      budget.charge(1);
      int start = end;
      while (start > 0 && !PythonText.isSpace(self.charAt(start - 1))) {
        start--;
      }
      parts.add(self.substring(start, end));
      end = start;
      while (end > 0 && PythonText.isSpace(self.charAt(end - 1))) {
        end--;
      }
    }
    return Numbers.reversed(parts);
  }

  /** {@code text.splitlines(keepEnds)}. */
  static List<String> splitLines(String text, boolean keepEnds, Budget budget) {
    List<String> lines = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean isBreak =
          (c >= '\n' && c <= '\r')
              || (c >= 0x1c && c <= 0x1e)
              || c == 0x85
              || c == 0x2028
              || c == 0x2029;
      if (!isBreak) {
        continue;
      }
      budget.charge(1);
      int end = i;
      if (c == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n') {
        i++;
      }
      lines.add(text.substring(start, keepEnds ? i + 1 : end));
      start = i + 1;
    }
    if (start < text.length()) {
      lines.add(text.substring(start));
    }
    return lines;
  }

  private static Object affix(String self, Arguments arguments, boolean atStart) {
    String name = atStart ? "startswith" : "endswith";
    Arguments.Bound bound = arguments.bindPositional(name, 1, "prefix", "start", "end");
    String part = bound.has(1) || bound.has(2) ? window(self, bound) : self;
    if (bound.get(0) instanceof TupleValue tuple) {
      for (Object option : tuple.items()) {
        if (hasAffix(part, requireText(option, name), atStart)) {
          return true;
        }
      }
      return false;
    }
    return hasAffix(part, requireText(bound.get(0), name), atStart);
  }

  private static boolean hasAffix(String text, String affix, boolean atStart) {
    return atStart ? text.startsWith(affix) : text.endsWith(affix);
  }

  private static String requireText(Object value, String function) {
    if (!Values.isText(value)) {
      throw PythonError.type(
          function + " first arg must be str or a tuple of str, not " + Values.typeName(value));
    }
    return Values.text(value);
  }

  /** The part of {@code self} between the second and the third argument. */
  private static String window(String self, Arguments.Bound bound) {
    return Slices.window(self, bound.get(1), bound.get(2));
  }

  static String replace(String self, String old, String replacement, long count, Budget budget) {
    long max = count < 0 ? Long.MAX_VALUE : count;
    budget.chargeSearch(self.length(), old.length());
    if (!old.isEmpty() && self.indexOf(old) < 0) {
      return self;
    }
    StringBuilder out = new StringBuilder(self.length());
    int start = 0;
    int next = old.isEmpty() ? 0 : self.indexOf(old);
    for (long done = 0; done < max && next >= 0; done++) {
      budget.chargeAppend(
          (long) out.length() + self.length() + replacement.length(), replacement.length() + 8L);
      out.append(self, start, next).append(replacement);
      start = next + old.length();
      if (!old.isEmpty()) {
        next = self.indexOf(old, start);
      } else if (next == self.length()) {
        next = -1;
      } else {
        next = self.offsetByCodePoints(next, 1);
      }
    }
    return out.append(self, start, self.length()).toString();
  }

  /** {@code separator.join(items)}. */
  private static String join(String separator, Object items, Budget budget) {
    StringBuilder out = new StringBuilder();
    int index = 0;
    for (Iterator<Object> rest = Values.iterate(items); rest.hasNext(); index++) {
      Object item = rest.next();
      if (!Values.isText(item)) {
        throw PythonError.type(
            "sequence item "
                + index
                + ": expected str instance, "
                + Values.typeName(item)
                + " found");
      }
      String text = Values.text(item);
      int added = separator.length() + text.length();
      budget.charge(1);
      budget.chargeAppend((long) out.length() + added, added);
      out.append(index == 0 ? "" : separator).append(text);
    }
    return out.toString();
  }

  private static long find(
      String self, Arguments arguments, String name, boolean fromRight, Budget budget) {
    Arguments.Bound bound = arguments.bindPositional(name, 1, "sub", "start", "end");
    String pattern = bound.text(0);
    budget.chargeSearch(self.length(), pattern.length());
    long offset = 0;
    String part = self;
    if (bound.has(1) || bound.has(2)) {
      int length = self.codePointCount(0, self.length());
      if (!bound.isNone(1) && bound.integer(1, 0) > length) {
        return -1;
      }
      offset = Slices.start(bound.get(1), length);
      part = window(self, bound);
    }
    int at = fromRight ? part.lastIndexOf(pattern) : part.indexOf(pattern);
    return at < 0 ? -1 : offset + part.codePointCount(0, at);
  }

  private static Object foundOrError(long position) {
    if (position < 0) {
      throw PythonError.value("substring not found");
    }
    return position;
  }

  private static Object count(String self, Arguments arguments, Budget budget) {
    Arguments.Bound bound = arguments.bindPositional("count", 1, "sub", "start", "end");
    String pattern = bound.text(0);
    budget.chargeSearch(self.length(), pattern.length());
    String part = bound.has(1) || bound.has(2) ? window(self, bound) : self;
    if (pattern.isEmpty()) {
      return part.codePointCount(0, part.length()) + 1L;
    }
    long count = 0;
    for (int at = part.indexOf(pattern);
        at >= 0;
        at = part.indexOf(pattern, at + pattern.length())) {
      count++;
    }
    return count;
  }

  private static Object partition(
      String self, Arguments arguments, boolean fromRight, Budget budget) {
    String name = fromRight ? "rpartition" : "partition";
    String separator = arguments.bindPositional(name, 1, "sep").text(0);
    if (separator.isEmpty()) {
      throw PythonError.value("empty separator");
    }
    budget.chargeSearch(self.length(), separator.length());
    int at = fromRight ? self.lastIndexOf(separator) : self.indexOf(separator);
    if (at < 0) {
      return TupleValue.of(fromRight ? List.of("", "", self) : List.of(self, "", ""));
    }
    return TupleValue.of(
        List.of(self.substring(0, at), separator, self.substring(at + separator.length())));
  }

  private static Object pad(String self, Arguments arguments, String name, Budget budget) {
    Arguments.Bound bound = arguments.bindPositional(name, 1, "width", "fillchar");
    String fill = bound.has(1) ? bound.text(1) : " ";
    if (fill.codePointCount(0, fill.length()) != 1) {
      throw PythonError.type("The fill character must be exactly one character long");
    }
    long missing = bound.integer(0, 0) - self.codePointCount(0, self.length());
    if (missing <= 0) {
      return self;
    }
    budget.chargeText(self.length() + missing * fill.length());
    int spaces = (int) missing;
    int left =
        switch (name) {
          case "ljust" -> 0;
          case "rjust" -> spaces;
          // CPython gives the odd space to the left side where the width is odd.
          default -> spaces / 2 + (spaces & (int) bound.integer(0, 0) & 1);
        };
    return fill.repeat(left) + self + fill.repeat(spaces - left);
  }

  static String center(String text, long width, Budget budget) {
    Arguments arguments = new Arguments(List.of(width), java.util.Map.of());
    return (String) pad(text, arguments, "center", budget);
  }

  private static String zeroFill(String self, long width, Budget budget) {
    long missing = width - self.codePointCount(0, self.length());
    if (missing <= 0) {
      return self;
    }
    budget.chargeText(self.length() + missing);
    int sign = self.startsWith("-") || self.startsWith("+") ? 1 : 0;
    return self.substring(0, sign) + "0".repeat((int) missing) + self.substring(sign);
  }

  private static String expandTabs(String self, long size, Budget budget) {
    StringBuilder out = new StringBuilder();
    long column = 0;
    for (int i = 0; i < self.length(); i++) {
      char c = self.charAt(i);
      if (c == '\t') {
        long spaces = size > 0 ? size - column % size : 0;
        budget.chargeAppend(out.length() + spaces, spaces);
        out.repeat(' ', (int) spaces);
        column += spaces;
      } else {
        out.append(c);
        column = c == '\n' || c == '\r' ? 0 : column + 1;
      }
    }
    return out.toString();
  }
}
