package dev.weir.server.protocol;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The messages of a chat, as templates take them. */
final class ChatMessages {
  /** More turns than any context holds. */
  static final int MAX_MESSAGES = 10_000;

  private static final int MAX_PARTS = 1000;
  private static final int MAX_TOOL_CALLS = 128;
  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool");

  private ChatMessages() {}

  static List<Map<String, @Nullable Object>> read(Fields fields) {
    JsonNode value = fields.required("messages", "an array of messages");
    List<JsonNode> elements = Fields.list(value, "messages", MAX_MESSAGES);
    if (elements.isEmpty()) {
      throw ApiException.invalid("messages", "messages is empty; there must be at least one");
    }
    List<Map<String, @Nullable Object>> messages = new ArrayList<>(elements.size());
    for (JsonNode element : elements) {
      messages.add(message(Fields.of(element, "messages[" + messages.size() + "]")));
    }
    return Collections.unmodifiableList(messages);
  }

  private static Map<String, @Nullable Object> message(Fields fields) {
    String role = fields.requiredText("role");
    if (!ROLES.contains(role)) {
      throw ApiException.invalid(
          fields.path("role"),
          "%s is %s; it must be system, developer, user, assistant or tool"
              .formatted(fields.path("role"), ApiException.excerpt(role)));
    }
    if (fields.has("function_call") || fields.has("audio")) {
      String name = fields.has("audio") ? "audio" : "function_call";
      throw ApiException.unsupported(fields.path(name), "use content and tool_calls");
    }
    boolean assistant = role.equals("assistant");
    Map<String, @Nullable Object> message = new LinkedHashMap<>();
    // The developer's role is OpenAI's newer name for the system's; templates know the older.
    message.put("role", role.equals("developer") ? "system" : role);
    String content = content(fields);
    if (content == null && !assistant) {
      throw ApiException.invalid(
          fields.path("content"), fields.path("content") + " is required for the role " + role);
    }
    // Templates concatenate; an assistant that only calls tools says nothing.
    message.put("content", content == null ? "" : content);
    for (String name : List.of("name", "tool_call_id", "reasoning_content")) {
      String text = fields.text(name);
      if (text != null) {
        message.put(name, text);
      }
    }
    if (fields.has("tool_calls")) {
      if (!assistant) {
        throw ApiException.invalid(
            fields.path("tool_calls"), "only messages of the assistant have tool_calls");
      }
      List<Object> calls = toolCalls(fields);
      if (!calls.isEmpty()) {
        message.put("tool_calls", calls);
      }
    }
    return Collections.unmodifiableMap(message);
  }

  /** A string, or the text parts of an array, one per line. */
  private static @Nullable String content(Fields fields) {
    JsonNode content = fields.get("content");
    String path = fields.path("content");
    if (content == null) {
      return null;
    }
    if (content.isString()) {
      return content.stringValue();
    }
    if (!content.isArray()) {
      throw Fields.wrongType(path, content, "a string or an array of text parts");
    }
    List<String> texts = new ArrayList<>();
    for (JsonNode element : Fields.list(content, path, MAX_PARTS)) {
      Fields part = Fields.of(element, path + "[" + texts.size() + "]");
      String type = part.requiredText("type");
      if (!type.equals("text")) {
        throw ApiException.invalid(
            part.path("type"),
            "%s is %s; only text parts are understood"
                .formatted(part.path("type"), ApiException.excerpt(type)));
      }
      texts.add(part.requiredText("text"));
    }
    return String.join("\n", texts);
  }

  private static List<Object> toolCalls(Fields message) {
    List<Object> calls = new ArrayList<>();
    for (JsonNode element : message.list("tool_calls", MAX_TOOL_CALLS)) {
      Fields call = Fields.of(element, message.path("tool_calls") + "[" + calls.size() + "]");
      Fields function = Fields.of(call.required("function", "an object"), call.path("function"));
      Map<String, @Nullable Object> plain = new LinkedHashMap<>();
      String id = call.text("id");
      if (id != null) {
        plain.put("id", id);
      }
      plain.put("type", "function");
      plain.put(
          "function",
          Map.of("name", function.requiredText("name"), "arguments", arguments(function)));
      calls.add(Collections.unmodifiableMap(plain));
    }
    return Collections.unmodifiableList(calls);
  }

  /** Templates want the arguments as an object, the API has them as its JSON in a string. */
  private static Object arguments(Fields function) {
    JsonNode value = function.required("arguments", "a string of JSON");
    JsonNode object = value;
    if (value.isString()) {
      String text = value.stringValue();
      object = text.isBlank() ? Json.parseObject("{}") : Json.parseObject(text);
    }
    if (object == null || !object.isObject()) {
      String path = function.path("arguments");
      throw ApiException.invalid(path, path + " must be a JSON object, as a string");
    }
    return Json.plainObject(object);
  }
}
