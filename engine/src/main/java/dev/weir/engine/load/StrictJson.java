package dev.weir.engine.load;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * JSON as RFC 8259 has it and no more: UTF-8, no duplicate keys, no NaN, nothing after the value;
 * nesting and lengths bounded. For the JSON files of a model directory.
 */
public final class StrictJson {

  /** Real files nest up to about 8 deep (quantisation settings); the recursion must end. */
  static final int MAX_NESTING = 64;

  static final int MAX_KEY_CHARS = 1024; // real tensor names stay under 150
  static final int MAX_NUMBER_CHARS = 64; // 17 digits, sign and exponent, generously
  static final int MAX_STRING_CHARS = 1 << 20; // chat templates of ten thousands of chars exist

  /** The remedy where a file does not hold what it should. */
  static final String DAMAGED = "the file is damaged or not what its name says; fetch it again";

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MAX_NESTING)
                          .maxNameLength(MAX_KEY_CHARS)
                          .maxNumberLength(MAX_NUMBER_CHARS)
                          .maxStringLength(MAX_STRING_CHARS)
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private StrictJson() {}

  /**
   * Reads a file whose root must be an object.
   *
   * @param maxBytes longest file that is read
   * @throws ModelLoadException if it is absent, longer, not JSON or not an object
   */
  public static JsonNode readObject(Path file, int maxBytes) {
    try {
      if (!Files.isRegularFile(file)) {
        throw new ModelLoadException(
            file, "file", "there is no such file", "check the model directory");
      }
      byte[] bytes;
      try (InputStream in = Files.newInputStream(file)) {
        bytes = in.readNBytes(maxBytes + 1);
      }
      if (bytes.length > maxBytes) {
        throw new ModelLoadException(
            file, "file", "is longer than the limit of " + maxBytes + " bytes", DAMAGED);
      }
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      JsonNode root = MAPPER.readTree(text);
      if (!root.isObject()) {
        throw new ModelLoadException(file, "file", "is not a JSON object", DAMAGED);
      }
      return root;
    } catch (CharacterCodingException e) {
      throw new ModelLoadException(file, "file", "is not valid UTF-8", DAMAGED, e);
    } catch (IOException e) {
      throw unreadable(file, e);
    } catch (JacksonException e) {
      throw broken(file, "file", e);
    }
  }

  /** A parser over UTF-8 bytes; bytes that are no UTF-8 fail as a {@link JacksonException}. */
  static JsonParser parser(InputStream utf8) {
    Reader reader =
        new InputStreamReader(
            utf8,
            StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT));
    return MAPPER.createParser(reader);
  }

  static ModelLoadException broken(Path file, String place, JacksonException e) {
    if (e.getCause() instanceof CharacterCodingException) {
      return new ModelLoadException(file, place, "is not valid UTF-8", DAMAGED, e);
    }
    // Broken limits come without a location.
    TokenStreamLocation at = e.getLocation();
    String where = at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
    String why = ModelLoadException.printable(String.valueOf(e.getOriginalMessage()));
    String problem = "is not valid JSON" + where + ": " + why;
    return new ModelLoadException(file, place, problem, DAMAGED, e);
  }

  static ModelLoadException unreadable(Path file, IOException e) {
    return new ModelLoadException(
        file, "file", "cannot be read: " + e, "check the path and its permissions", e);
  }
}
