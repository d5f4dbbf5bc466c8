package dev.weir.server.protocol;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The tools that a chat may speak of: checked, and given to the template as they are. */
final class ChatTools {
  private static final int MAX_TOOLS = 128;

  /** OpenAI's rule for function names. */
  private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_-]{1,64}");

  private static final Set<String> TYPES =
      Set.of("string", "number", "integer", "boolean", "object", "array", "null");

  private ChatTools() {}

  /** The tools; empty where there are none or {@code tool_choice} is {@code none}. */
  static List<Map<String, @Nullable Object>> read(Fields fields) {
    List<Map<String, @Nullable Object>> tools = new ArrayList<>();
    for (JsonNode element : fields.list("tools", MAX_TOOLS)) {
      check(Fields.of(element, "tools[" + tools.size() + "]"));
      tools.add(Json.plainObject(element));
    }
    JsonNode choice = fields.get("tool_choice");
    if (choice == null) {
      return Collections.unmodifiableList(tools);
    }
    String value = choice.isString() ? choice.stringValue() : "an object";
    return switch (value) {
      case "auto" -> Collections.unmodifiableList(tools);
      case "none" -> List.of();
      case "required", "an object" ->
          throw ApiException.unsupported(
              "tool_choice", "the values allowed are \"auto\" and \"none\"");
      default ->
          throw ApiException.invalid("tool_choice", "tool_choice must be \"auto\" or \"none\"");
    };
  }

  private static void check(Fields tool) {
    String type = tool.requiredText("type");
    if (!type.equals("function")) {
      throw ApiException.unsupported(tool.path("type"), "the only one allowed is \"function\"");
    }
    Fields function = Fields.of(tool.required("function", "an object"), tool.path("function"));
    String name = function.requiredText("name");
    if (!NAME.matcher(name).matches()) {
      throw ApiException.invalid(
          function.path("name"),
          "%s is %s; it must be 1 to 64 letters, digits, _ or -"
              .formatted(function.path("name"), ApiException.excerpt(name)));
    }
    function.text("description");
    JsonNode parameters = function.get("parameters");
    if (parameters != null) {
      checkSchema(Fields.of(parameters, function.path("parameters")), parameters);
    }
  }

  /**
   * Finds what makes a schema no schema. Nothing compiles it yet; a client should hear of its
   * mistake all the same, and not first when something does.
   */
  private static void checkSchema(Fields fields, JsonNode schema) {
    JsonNode type = schema.get("type");
    if (type != null) {
      List<JsonNode> types = type.isArray() ? List.copyOf(type.values()) : List.of(type);
      for (JsonNode one : types) {
        if (!one.isString() || !TYPES.contains(one.stringValue())) {
          throw ApiException.invalid(
              fields.path("type"), fields.path("type") + " is no type of JSON Schema");
        }
      }
    }
    JsonNode pattern = schema.get("pattern");
    if (pattern != null) {
      try {
        Pattern.compile(Fields.text(pattern, fields.path("pattern")));
      } catch (PatternSyntaxException e) {
        throw ApiException.invalid(
            fields.path("pattern"), fields.path("pattern") + " is no regular expression");
      }
    }
    JsonNode properties = schema.get("properties");
    if (properties != null) {
      Fields.of(properties, fields.path("properties"));
      for (Map.Entry<String, JsonNode> property : properties.properties()) {
        checkNested(property.getValue(), fields.path("properties") + "." + property.getKey());
      }
    }
    JsonNode items = schema.get("items");
    if (items != null) {
      checkNested(items, fields.path("items"));
    }
  }

  private static void checkNested(JsonNode schema, String path) {
    // true and false are schemas too.
    if (!schema.isBoolean()) {
      checkSchema(Fields.of(schema, path), schema);
    }
  }
}
