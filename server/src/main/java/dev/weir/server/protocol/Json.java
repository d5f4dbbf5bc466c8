package dev.weir.server.protocol;

import dev.weir.engine.load.JsonWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.io.JsonStringEncoder;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** JSON of strangers, read within limits; JSON of ours, written. */
final class Json {
  /** Tool schemas nest the deepest of what real clients send; ten levels are many. */
  static final int MAX_NESTING = 100;

  /**
   * Values of a body: a prompt of a million token ids fits, a body of nothing but commas does not.
   */
  static final long MAX_VALUES = 4L << 20;

  private static final int MAX_NUMBER_CHARS = 64;
  private static final int MAX_NAME_CHARS = 10_000;

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MAX_NESTING)
                          .maxTokenCount(MAX_VALUES)
                          .maxNumberLength(MAX_NUMBER_CHARS)
                          .maxNameLength(MAX_NAME_CHARS)
                          .maxStringLength(Integer.MAX_VALUE) // the body's own limit is tighter
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  /**
   * Reads a request body, which must be one JSON object.
   *
   * @throws ApiException 400, saying where it is broken
   */
  static JsonNode readObject(byte[] body) {
    if (body.length == 0) {
      throw ApiException.invalid(null, "the request body is empty; it must be a JSON object");
    }
    JsonNode root;
    try {
      // Decoded first: the parser's own decoding lets some malformed sequences pass.
      root =
          MAPPER.readTree(
              StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString());
    } catch (CharacterCodingException e) {
      throw ApiException.invalid(null, "the request body is not valid UTF-8");
    } catch (JacksonException e) {
      throw ApiException.invalid(
          null, "the request body is not valid JSON" + JsonFault.describe(e));
    }
    if (!root.isObject()) {
      throw ApiException.invalid(null, "the request body must be a JSON object");
    }
    checkText(root, "");
    return root;
  }

  /** Refuses lone surrogates, which JSON's escapes can spell and UTF-8 cannot. */
  private static void checkText(JsonNode node, String path) {
    if (node.isString() && hasLoneSurrogate(node.stringValue())) {
      throw loneSurrogate(path);
    }
    int index = 0;
    if (node.isArray()) {
      for (JsonNode element : node) {
        if (element.isString() || element.isContainer()) {
          checkText(element, path + "[" + index + "]");
        }
        index++;
      }
    }
    for (Map.Entry<String, JsonNode> property : node.properties()) {
      String name = property.getKey();
      if (hasLoneSurrogate(name)) {
        throw loneSurrogate(path.isEmpty() ? "a field name" : path);
      }
      checkText(property.getValue(), path.isEmpty() ? name : path + "." + name);
    }
  }

  private static ApiException loneSurrogate(String path) {
    return ApiException.invalid(path, path + " contains half a surrogate pair, which is no text");
  }

  private static boolean hasLoneSurrogate(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        return true;
      }
    }
    return false;
  }

  /** A tree as plain Java values, as templates take them: maps and lists keep their order. */
  static @Nullable Object plain(JsonNode node) {
    if (node.isObject()) {
      return plainObject(node);
    }
    if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>(node.size());
      node.forEach(element -> list.add(plain(element)));
      return Collections.unmodifiableList(list);
    }
    if (node.isString()) {
      return node.stringValue();
    }
    if (node.isBoolean()) {
      return node.booleanValue();
    }
    if (node.isIntegralNumber()) {
      return node.canConvertToLong() ? (Object) node.longValue() : node.bigIntegerValue();
    }
    return node.isNumber() ? (Object) node.doubleValue() : null;
  }

  /** As {@link #plain}, for a node that is an object. */
  static Map<String, @Nullable Object> plainObject(JsonNode node) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    node.properties().forEach(property -> map.put(property.getKey(), plain(property.getValue())));
    return Collections.unmodifiableMap(map);
  }

  /** A JSON object out of a string's text; null where it is not one. */
  static @Nullable JsonNode parseObject(String text) {
    try {
      JsonNode node = MAPPER.readTree(text);
      return node.isObject() ? node : null;
    } catch (JacksonException e) {
      return null;
    }
  }

  static byte[] write(JsonNode node) {
    return JsonWriter.bytes(node);
  }

  /** A string's characters as they stand between the quotes, in UTF-8. */
  static byte[] escape(String text) {
    return JsonStringEncoder.getInstance().quoteAsUTF8(text);
  }
}
