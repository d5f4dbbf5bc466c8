package dev.weir.engine.model;

import static dev.weir.engine.load.ModelLoadException.quote;

import dev.weir.engine.load.ModelLoadException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;

/**
 * Typed, bounded reads of a JSON object's fields. A field that is null counts as absent, as the
 * files' writers mean it.
 *
 * @param file named in errors
 * @param prefix path of the object inside the file, "" or ending with a dot; named in errors
 * @param object the object
 */
record JsonFields(Path file, String prefix, JsonNode object) {

  private static final int MAX_LIST = 4096; // id lists and rotary factors have up to 128

  boolean has(String name) {
    JsonNode node = object.get(name);
    return node != null && !node.isNull();
  }

  /** Whether the field is there and null: some files say "none" so. */
  boolean isNull(String name) {
    JsonNode node = object.get(name);
    return node != null && node.isNull();
  }

  int requireInt(String name, int least, int most) {
    return findInt(name, least, most).orElseThrow(() -> wrong(name, "is missing"));
  }

  OptionalInt findInt(String name, int least, int most) {
    return has(name) ? OptionalInt.of(integer(name, node(name), least, most)) : OptionalInt.empty();
  }

  /** An integer that is cut to {@code most} where it is more. */
  OptionalInt findIntAtMost(String name, int least, int most) {
    if (has(name)
        && node(name).isIntegralNumber()
        && node(name).bigIntegerValue().bitLength() > 31) {
      if (node(name).bigIntegerValue().signum() > 0) {
        return OptionalInt.of(most);
      }
    }
    OptionalInt value = findInt(name, least, Integer.MAX_VALUE);
    return value.isPresent() ? OptionalInt.of(Math.min(value.getAsInt(), most)) : value;
  }

  /** One integer or a list of them; empty if absent. */
  List<Integer> intOrList(String name, int least, int most) {
    if (!has(name)) {
      return List.of();
    }
    if (!node(name).isArray()) {
      return List.of(integer(name, node(name), least, most));
    }
    List<Integer> values = new ArrayList<>();
    for (JsonNode element : list(name)) {
      values.add(integer(name, element, least, most));
    }
    return values;
  }

  double requireDouble(String name, double least, double most) {
    OptionalDouble value = findDouble(name, least, most);
    return value.orElseThrow(() -> wrong(name, "is missing"));
  }

  OptionalDouble findDouble(String name, double least, double most) {
    return has(name)
        ? OptionalDouble.of(number(name, node(name), least, most))
        : OptionalDouble.empty();
  }

  List<Double> requireDoubles(String name, int size, double least, double most) {
    if (!has(name)) {
      throw wrong(name, "is missing");
    }
    List<Double> values = new ArrayList<>();
    for (JsonNode element : list(name)) {
      values.add(number(name, element, least, most));
    }
    if (values.size() != size) {
      throw wrong(name, "has " + values.size() + " numbers, expected " + size);
    }
    return values;
  }

  Optional<Boolean> findBoolean(String name) {
    if (!has(name)) {
      return Optional.empty();
    }
    if (!node(name).isBoolean()) {
      throw wrong(name, "is " + shown(node(name)) + ", expected true or false");
    }
    return Optional.of(node(name).booleanValue());
  }

  Optional<String> findString(String name) {
    if (!has(name)) {
      return Optional.empty();
    }
    if (!node(name).isString()) {
      throw wrong(name, "is " + shown(node(name)) + ", expected a string");
    }
    return Optional.of(node(name).stringValue());
  }

  List<String> strings(String name) {
    List<String> values = new ArrayList<>();
    if (has(name)) {
      for (JsonNode element : list(name)) {
        if (!element.isString()) {
          throw wrong(name, "holds " + shown(element) + ", expected strings");
        }
        values.add(element.stringValue());
      }
    }
    return values;
  }

  Optional<JsonFields> findObject(String name) {
    if (!has(name)) {
      return Optional.empty();
    }
    if (!node(name).isObject()) {
      throw wrong(name, "is " + shown(node(name)) + ", expected an object");
    }
    return Optional.of(new JsonFields(file, prefix + name + ".", node(name)));
  }

  ModelLoadException wrong(String name, String problem) {
    return wrong(name, problem, "correct the file or use another checkpoint");
  }

  ModelLoadException wrong(String name, String problem, String remedy) {
    return new ModelLoadException(file, prefix + name, problem, remedy);
  }

  private JsonNode node(String name) {
    return object.path(name);
  }

  private Iterable<JsonNode> list(String name) {
    if (!node(name).isArray()) {
      throw wrong(name, "is " + shown(node(name)) + ", expected a list");
    }
    if (node(name).size() > MAX_LIST) {
      throw wrong(name, "has more than " + MAX_LIST + " elements");
    }
    return node(name);
  }

  private int integer(String name, JsonNode node, int least, int most) {
    boolean fits = node.isIntegralNumber() && node.canConvertToInt();
    if (!fits || node.intValue() < least || node.intValue() > most) {
      throw wrong(
          name, "is %s, expected an integer from %d to %d".formatted(shown(node), least, most));
    }
    return node.intValue();
  }

  private double number(String name, JsonNode node, double least, double most) {
    double value = node.isNumber() ? node.doubleValue() : Double.NaN;
    if (!(value >= least && value <= most)) {
      throw wrong(
          name, "is %s, expected a number from %s to %s".formatted(shown(node), least, most));
    }
    return value;
  }

  private static String shown(JsonNode node) {
    return node.isContainer() ? "a list or object" : quote(node.asString());
  }
}
