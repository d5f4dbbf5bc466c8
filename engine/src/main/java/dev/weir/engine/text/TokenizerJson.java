package dev.weir.engine.text;

import dev.weir.engine.load.ModelLoadException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * What Weir itself reads from a tokenizer.json, checked before the native library sees the file:
 * that library trusts it, and answers some of what is wrong in it by ending the process.
 *
 * @param text the file, without a byte order mark
 * @param addedTokensStart where the {@code added_tokens} array starts in {@code text}; equal to
 *     {@code addedTokensEnd} where there is none
 * @param addedTokensEnd the character behind that array
 * @param modelVocabulary how many tokens the model's own vocabulary has
 * @param addedTokens as in the file
 * @param tokens token string per id, null where an id is not in use
 * @param ids the reverse
 * @param decoding how ids become text
 * @param maxCharacters the longest text that may be encoded, in UTF-16 code units
 */
record TokenizerJson(
    String text,
    int addedTokensStart,
    int addedTokensEnd,
    int modelVocabulary,
    List<AddedToken> addedTokens,
    List<@Nullable String> tokens,
    Map<String, Integer> ids,
    Decoding decoding,
    int maxCharacters) {

  /** The largest in public use (Llama 4, Gemma 3) have 28 to 33 MB. */
  static final long MAX_FILE_BYTES = 128L << 20;

  /** The largest vocabularies in public use have 262 144 tokens. */
  static final int MAX_VOCABULARY = 1 << 21;

  /** Reads sections out of the middle of a file, so that more of it always follows. */
  private static final JsonMapper MAPPER =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private static final String REMEDY = "use the tokenizer.json that was published with the model";

  /** Reads and checks {@code file}. */
  static TokenizerJson read(Path file) {
    Reader reader = new Reader(file, readText(file));
    try {
      return reader.read();
    } catch (JacksonException e) {
      throw new ModelLoadException(file, "JSON", String.valueOf(e.getOriginalMessage()), REMEDY, e);
    }
  }

  private static String readText(Path file) {
    try {
      long size = Files.size(file);
      if (size > MAX_FILE_BYTES) {
        throw new ModelLoadException(
            file, "size", size + " bytes, at most " + MAX_FILE_BYTES + " are read", REMEDY);
      }
      String text =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
              .toString();
      return text.startsWith("\uFEFF") ? text.substring(1) : text;
    } catch (NoSuchFileException e) {
      throw new ModelLoadException(
          file,
          "file",
          "there is none, and a model without tokenizer.json takes no text",
          "copy it from where the model was published, or convert tokenizer.model with the"
              + " transformers library",
          e);
    } catch (CharacterCodingException e) {
      throw new ModelLoadException(file, "encoding", "it is not UTF-8", REMEDY, e);
    } catch (IOException e) {
      throw new ModelLoadException(
          file,
          "file",
          "cannot be read (" + e.getMessage() + ")",
          "check the file and its rights",
          e);
    }
  }

  /** One pass over the file; only the small sections become trees. */
  private static final class Reader {

    private final Path file;
    private final String text;
    private final Map<String, Integer> ids = new HashMap<>();
    private final List<AddedToken> addedTokens = new ArrayList<>();
    private int addedTokensStart;
    private int addedTokensEnd;
    private int nextAddedId;
    private int retryingAlternatives = 1;
    private JsonNode decoder = JsonNodeFactory.instance.missingNode();

    Reader(Path file, String text) {
      this.file = file;
      this.text = text;
    }

    TokenizerJson read() {
      try (JsonParser parser = MAPPER.createParser(text)) {
        require(parser.nextToken() == JsonToken.START_OBJECT, "JSON", "it is not an object");
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
          String section = parser.currentName();
          parser.nextToken();
          switch (section) {
            case "model" -> readModel(parser);
            case "added_tokens" -> readAddedTokens(parser);
            case "decoder" -> decoder = MAPPER.readTree(parser);
            case "normalizer", "pre_tokenizer" -> checkPatterns(section, MAPPER.readTree(parser));
            default -> parser.skipChildren();
          }
        }
        require(parser.nextToken() == null, "JSON", "something follows the object");
      }
      require(!ids.isEmpty(), "model.vocab", "it has no tokens");
      int vocabulary = ids.size();
      addedTokens.forEach(token -> claimId(token, vocabulary));
      return new TokenizerJson(
          text,
          addedTokensStart,
          addedTokensEnd,
          vocabulary,
          List.copyOf(addedTokens),
          byId(),
          ids,
          readDecoding(),
          Math.min(Tokenizer.MAX_CHARACTERS, BacktrackingBound.MAX_STEPS / retryingAlternatives));
    }

    private void readModel(JsonParser parser) {
      require(parser.currentToken() == JsonToken.START_OBJECT, "model", "it is not an object");
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String field = parser.currentName();
        JsonToken value = parser.nextToken();
        if (field.equals("vocab") && value == JsonToken.START_OBJECT) {
          readVocabularyByName(parser);
        } else if (field.equals("vocab") && value == JsonToken.START_ARRAY) {
          readVocabularyInOrder(parser);
        } else if (field.equals("dropout") && value != JsonToken.VALUE_NULL) {
          require(parser.getDoubleValue() == 0, "model.dropout", "it would make encoding random");
        } else {
          parser.skipChildren();
        }
      }
    }

    private void readVocabularyByName(JsonParser parser) {
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String token = parser.currentName();
        require(
            parser.nextToken() == JsonToken.VALUE_NUMBER_INT,
            "model.vocab",
            "token " + ModelLoadException.quote(token) + " has no integer id");
        put(token, parser.getLongValue(), "model.vocab");
      }
    }

    /** Unigram's form: {@code [["<unk>", 0.0], ["▁the", -3.5], ...]}, ids counted from 0. */
    private void readVocabularyInOrder(JsonParser parser) {
      for (int id = 0; parser.nextToken() == JsonToken.START_ARRAY; id++) {
        require(
            parser.nextToken() == JsonToken.VALUE_STRING,
            "model.vocab",
            "entry " + id + " does not start with a token");
        put(parser.getString(), id, "model.vocab");
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          parser.skipChildren();
        }
      }
    }

    private void put(String token, long id, String place) {
      require(
          id >= 0 && id < MAX_VOCABULARY,
          place,
          "token "
              + ModelLoadException.quote(token)
              + " has the id "
              + id
              + ", allowed are 0 to "
              + (MAX_VOCABULARY - 1));
      ids.put(token, (int) id);
    }

    private void readAddedTokens(JsonParser parser) {
      if (parser.currentToken() != JsonToken.START_ARRAY) {
        parser.skipChildren();
        return;
      }
      addedTokensStart = (int) parser.currentTokenLocation().getCharOffset();
      while (parser.nextToken() == JsonToken.START_OBJECT) {
        JsonNode token = MAPPER.readTree(parser);
        String content = token.path("content").asString("");
        require(!content.isEmpty(), "added_tokens", "a token has no content");
        require(
            token.path("id").isIntegralNumber() && token.path("id").canConvertToInt(),
            "added_tokens",
            "token " + ModelLoadException.quote(content) + " has no usable id");
        addedTokens.add(
            new AddedToken(
                token.path("id").asInt(),
                content,
                token.path("special").asBoolean(false),
                token.path("single_word").asBoolean(false),
                token.path("lstrip").asBoolean(false),
                token.path("rstrip").asBoolean(false)));
      }
      addedTokensEnd = (int) parser.currentTokenLocation().getCharOffset() + 1;
    }

    /**
     * The library ignores the id that an added token claims: it takes the one in the vocabulary or
     * else the next free one. A file in which the two differ would decode to other text than it
     * encodes.
     */
    private void claimId(AddedToken token, int vocabulary) {
      Integer known = ids.get(token.content());
      int given = known != null ? known : Math.max(vocabulary, nextAddedId);
      require(
          given == token.id(),
          "added_tokens",
          "token "
              + ModelLoadException.quote(token.content())
              + " claims the id "
              + token.id()
              + " where the vocabulary gives it "
              + given);
      put(token.content(), given, "added_tokens");
      nextAddedId = Math.max(nextAddedId, given + 1);
    }

    private List<@Nullable String> byId() {
      int size = ids.values().stream().mapToInt(Integer::intValue).max().orElseThrow() + 1;
      @Nullable String[] tokens = new @Nullable String[size];
      ids.forEach(
          (token, id) -> {
            require(
                tokens[id] == null,
                "model.vocab",
                "the id " + id + " has two tokens, one of them " + ModelLoadException.quote(token));
            tokens[id] = token;
          });
      return Collections.<@Nullable String>unmodifiableList(
          Arrays.<@Nullable String>asList(tokens));
    }

    private Decoding readDecoding() {
      try {
        return Decoding.parse(decoder);
      } catch (IllegalArgumentException e) {
        throw new ModelLoadException(
            file, "decoder", String.valueOf(e.getMessage()), "serve another model", e);
      }
    }

    private void checkPatterns(String section, JsonNode node) {
      for (JsonNode pattern : node.findValues("Regex")) {
        try {
          retryingAlternatives =
              Math.max(retryingAlternatives, BacktrackingBound.check(pattern.asString("")));
        } catch (IllegalArgumentException e) {
          throw new ModelLoadException(file, section, String.valueOf(e.getMessage()), REMEDY, e);
        }
      }
    }

    private void require(boolean holds, String place, String problem) {
      if (!holds) {
        throw new ModelLoadException(file, place, problem, REMEDY);
      }
    }
  }

  /** The added tokens as the file has them, to be written again in another form. */
  JsonNode addedTokensNode(ObjectMapper mapper) {
    return addedTokensEnd == 0
        ? JsonNodeFactory.instance.arrayNode()
        : mapper.readTree(text.substring(addedTokensStart, addedTokensEnd));
  }

  /** The file with {@code added} in the place of its added tokens. */
  String withAddedTokens(JsonNode added) {
    return text.substring(0, addedTokensStart) + added + text.substring(addedTokensEnd);
  }
}
