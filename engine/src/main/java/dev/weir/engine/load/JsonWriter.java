package dev.weir.engine.load;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;

/**
 * Writes plain values as JSON. A mapper would do, but the first value that it writes makes it look
 * at the types of {@code java.xml}, a module that the runtime of a bundle has no room for.
 */
public final class JsonWriter {
  private static final JsonFactory FACTORY = new JsonFactory();

  private JsonWriter() {}

  /** JSON in UTF-8; see {@link #text}. */
  public static byte[] bytes(Object value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (JsonGenerator json = FACTORY.createGenerator(ObjectWriteContext.empty(), out)) {
      write(json, value);
    }
    return out.toByteArray();
  }

  /**
   * JSON of maps, whose keys are written as texts, iterables, arrays, texts, enum constants,
   * numbers, booleans, nulls, and trees.
   *
   * @throws IllegalArgumentException for a value of another kind
   */
  public static String text(Object value) {
    return new String(bytes(value), StandardCharsets.UTF_8);
  }

  private static void write(JsonGenerator json, @Nullable Object value) {
    switch (value) {
      case null -> json.writeNull();
      case JsonNode tree -> {
        try (JsonParser tokens = tree.traverse(ObjectReadContext.empty())) {
          tokens.nextToken();
          json.copyCurrentStructure(tokens);
        }
      }
      case Map<?, ?> map -> {
        json.writeStartObject();
        map.forEach(
            (name, one) -> {
              json.writeName(String.valueOf(name));
              write(json, one);
            });
        json.writeEndObject();
      }
      case Iterable<?> list -> {
        json.writeStartArray();
        list.forEach(one -> write(json, one));
        json.writeEndArray();
      }
      case Object[] list -> {
        json.writeStartArray();
        for (Object one : list) {
          write(json, one);
        }
        json.writeEndArray();
      }
      case int[] ints -> json.writeArray(ints, 0, ints.length);
      case long[] longs -> json.writeArray(longs, 0, longs.length);
      case double[] doubles -> json.writeArray(doubles, 0, doubles.length);
      case CharSequence text -> json.writeString(text.toString());
      case Enum<?> constant -> json.writeString(constant.name());
      case Boolean truth -> json.writeBoolean(truth);
      case Integer number -> json.writeNumber(number);
      case Long number -> json.writeNumber(number);
      case Float number -> json.writeNumber(number);
      case Double number -> json.writeNumber(number);
      default -> throw new IllegalArgumentException("no JSON for a " + value.getClass().getName());
    }
  }
}
