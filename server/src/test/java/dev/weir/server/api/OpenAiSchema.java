package dev.weir.server.api;

import dev.weir.engine.testing.SharedData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Checks JSON against a schema of OpenAI's description: types, required fields, enums. */
final class OpenAiSchema {
  private final JsonNode schemas;

  private OpenAiSchema(JsonNode schemas) {
    this.schemas = schemas;
  }

  /** The description in the shared data; skips the test where it is absent. */
  static OpenAiSchema load() {
    return new OpenAiSchema(
        new JsonMapper()
            .readTree(SharedData.require("data/api/openai-openapi.json").toFile())
            .at("/components/schemas"));
  }

  /** What is wrong with a value; empty where nothing is. */
  List<String> problems(String schema, JsonNode value) {
    List<String> problems = new ArrayList<>();
    if (!schemas.has(schema)) {
      throw new IllegalArgumentException("no schema " + schema);
    }
    check(schemas.get(schema), value, schema, problems);
    return problems;
  }

  private void check(JsonNode schema, JsonNode value, String path, List<String> problems) {
    if (schema.has("$ref")) {
      String name = schema.get("$ref").stringValue();
      check(schemas.get(name.substring(name.lastIndexOf('/') + 1)), value, path, problems);
      return;
    }
    if (value.isNull() && schema.path("nullable").asBoolean(false)) {
      return;
    }
    for (JsonNode part : schema.path("allOf")) {
      check(part, value, path, problems);
    }
    for (String choice : List.of("anyOf", "oneOf")) {
      if (schema.has(choice) && !fitsOne(schema.get(choice), value, path)) {
        problems.add(path + " fits no branch of " + choice);
      }
    }
    if (schema.has("type") && !isOfType(schema.get("type").stringValue(), value)) {
      problems.add(path + " is not of type " + schema.get("type").stringValue() + ": " + value);
      return;
    }
    if (schema.has("enum") && schema.get("enum").values().stream().noneMatch(value::equals)) {
      problems.add(path + " is not in its enum: " + value);
    }
    for (JsonNode required : schema.path("required")) {
      if (!value.has(required.stringValue())) {
        problems.add(path + " lacks " + required.stringValue());
      }
    }
    for (Map.Entry<String, JsonNode> property : schema.path("properties").properties()) {
      JsonNode found = value.get(property.getKey());
      if (found != null) {
        check(property.getValue(), found, path + "." + property.getKey(), problems);
      }
    }
    if (value.isArray() && schema.has("items")) {
      for (int i = 0; i < value.size(); i++) {
        check(schema.get("items"), value.get(i), path + "[" + i + "]", problems);
      }
    }
  }

  private boolean fitsOne(JsonNode branches, JsonNode value, String path) {
    for (JsonNode branch : branches) {
      List<String> problems = new ArrayList<>();
      check(branch, value, path, problems);
      if (problems.isEmpty()) {
        return true;
      }
    }
    return false;
  }

  private static boolean isOfType(String type, JsonNode value) {
    return switch (type) {
      case "object" -> value.isObject();
      case "array" -> value.isArray();
      case "string" -> value.isString();
      case "integer" -> value.isIntegralNumber();
      case "number" -> value.isNumber();
      case "boolean" -> value.isBoolean();
      case "null" -> value.isNull();
      default -> throw new IllegalArgumentException(type);
    };
  }
}
