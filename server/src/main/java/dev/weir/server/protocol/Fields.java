package dev.weir.server.protocol;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The fields of one JSON object, read by name and type. A field that is null counts as absent; one
 * of the wrong type ends in an error with its whole path.
 */
final class Fields {
  private final JsonNode object;
  private final String path;

  private Fields(JsonNode object, String path) {
    this.object = object;
    this.path = path;
  }

  static Fields of(JsonNode object) {
    return new Fields(object, "");
  }

  /** The fields of a value found somewhere inside the request. */
  static Fields of(JsonNode value, String path) {
    if (!value.isObject()) {
      throw wrongType(path, value, "an object");
    }
    return new Fields(value, path);
  }

  String path(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  /** The value; null where it is absent or null. */
  @Nullable JsonNode get(String name) {
    JsonNode value = object.get(name);
    return value == null || value.isNull() ? null : value;
  }

  boolean has(String name) {
    return get(name) != null;
  }

  /** Whether the field asks for nothing: it is absent, null or false. */
  boolean off(String name) {
    JsonNode value = get(name);
    return value == null || (value.isBoolean() && !value.booleanValue());
  }

  boolean flag(String name, boolean absent) {
    JsonNode value = get(name);
    if (value == null) {
      return absent;
    }
    if (!value.isBoolean()) {
      throw wrongType(path(name), value, "true or false");
    }
    return value.booleanValue();
  }

  int integer(String name, int absent) {
    JsonNode value = get(name);
    return value == null
        ? absent
        : (int) integer(value, path(name), Integer.MIN_VALUE, Integer.MAX_VALUE);
  }

  /** A whole number; {@code 3.0} is one, as it is for OpenAI. */
  static long integer(JsonNode value, String path, long least, long most) {
    if (!value.isNumber() || !value.canConvertToExactIntegral()) {
      throw wrongType(path, value, "a whole number");
    }
    if (!value.canConvertToLong() || value.asLong() < least || value.asLong() > most) {
      throw ApiException.invalid(
          path, path + " is out of range; it must be from " + least + " to " + most);
    }
    return value.asLong();
  }

  float number(String name, float absent) {
    JsonNode value = get(name);
    return value == null ? absent : number(value, path(name));
  }

  static float number(JsonNode value, String path) {
    if (!value.isNumber()) {
      throw wrongType(path, value, "a number");
    }
    float number = (float) value.doubleValue();
    if (!Float.isFinite(number)) {
      throw ApiException.invalid(path, path + " is too large to be a number");
    }
    return number;
  }

  @Nullable String text(String name) {
    JsonNode value = get(name);
    return value == null ? null : text(value, path(name));
  }

  String requiredText(String name) {
    return text(required(name, "a string"), path(name));
  }

  static String text(JsonNode value, String path) {
    if (!value.isString()) {
      throw wrongType(path, value, "a string");
    }
    return value.stringValue();
  }

  /** The elements of an array; empty where it is absent. */
  List<JsonNode> list(String name, int most) {
    JsonNode value = get(name);
    return value == null ? List.of() : list(value, path(name), most);
  }

  static List<JsonNode> list(JsonNode value, String path, int most) {
    if (!value.isArray()) {
      throw wrongType(path, value, "an array");
    }
    if (value.size() > most) {
      throw ApiException.invalid(
          path, "%s has %d entries; it may have at most %d".formatted(path, value.size(), most));
    }
    return new ArrayList<>(value.values());
  }

  JsonNode required(String name, String wanted) {
    JsonNode value = get(name);
    if (value == null) {
      throw ApiException.invalid(path(name), path(name) + " is required; it must be " + wanted);
    }
    return value;
  }

  static ApiException wrongType(String path, JsonNode found, String wanted) {
    return ApiException.invalid(
        path, "%s is %s; it must be %s".formatted(path, kind(found), wanted));
  }

  private static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case ARRAY -> "an array";
      case BOOLEAN -> "a boolean";
      case NULL -> "null";
      case NUMBER -> "a number";
      case OBJECT -> "an object";
      case STRING -> "a string";
      case BINARY, MISSING, POJO -> "no JSON value";
    };
  }
}
