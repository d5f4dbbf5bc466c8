package dev.weir.engine.text;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.request.InvalidRequestException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The tokenizer of a model directory. Thread-safe.
 *
 * <p>Encoding is the Hugging Face library's, through JNI; decoding is Weir's own and gives the same
 * text (see {@link Detokenizer}).
 *
 * <p><b>Threads.</b> Encoding takes 1.5 to 5 microseconds a token (measured with the Llama 2, Llama
 * 3 and Qwen 2.5 vocabularies on one core; a document of 100 000 tokens up to half a second), and a
 * native call pins a virtual thread's carrier. So a virtual thread's texts of more than {@value
 * #DIRECT_CHARACTERS} characters are encoded on a few platform threads of the tokenizer's own while
 * the virtual thread waits unpinned; shorter texts, and those of platform threads, are encoded by
 * the caller. Callers need no executor of their own.
 *
 * <p><b>Text.</b> Half of a surrogate pair is no character; each is encoded as U+FFFD, as the
 * WHATWG encoding standard does. Texts of more than {@link #maxCharacters()} are refused.
 *
 * <p>Truncation and padding that a tokenizer.json may ask for are not applied.
 */
public final class Tokenizer implements AutoCloseable {

  /**
   * The longest text that is encoded, in UTF-16 code units: a million tokens of English. At this
   * length the library takes 2 to 12 seconds and up to 2 GB (measured on texts of one repeated
   * character).
   */
  public static final int MAX_CHARACTERS = 4 << 20;

  /** About a thousand tokens: 2 to 5 milliseconds, for which no hand-over pays. */
  private static final int DIRECT_CHARACTERS = 4096;

  private static final String FILE_NAME = "tokenizer.json";

  private final TokenizerConfig config;
  private final Map<String, Integer> ids;
  private final TokenTable table;
  private final List<AddedToken> addedTokens;
  private final List<AddedToken> controlTokens;
  private final int maxCharacters;
  private final NativeTokenizer full;
  private final PlainTokenizers plain;
  private final EncodeThreads threads = new EncodeThreads();

  private Tokenizer(TokenizerJson json, TokenizerConfig config, NativeTokenizer full) {
    this.config = config;
    this.full = full;
    ids = json.ids();
    table = new TokenTable(json.tokens(), json.addedTokens(), json.decoding());
    maxCharacters = json.maxCharacters();
    addedTokens = json.addedTokens();
    controlTokens = ControlTokens.of(json.addedTokens(), config.chatTemplates().values());
    plain = new PlainTokenizers(json, controlTokens);
  }

  /**
   * Loads the tokenizer of the model in {@code directory}: tokenizer.json, and where they are there
   * tokenizer_config.json, special_tokens_map.json and the chat template.
   *
   * @throws ModelLoadException where a file is missing, malformed or beyond a limit
   */
  public static Tokenizer load(Path directory) {
    return load(directory.resolve(FILE_NAME), TokenizerConfig.read(directory));
  }

  /**
   * The same, with {@code chatTemplate} in the place of the model's own chat templates. They belong
   * together: which tokens message text may not become depends on the template too.
   *
   * @throws ModelLoadException where a file is missing, malformed or beyond a limit
   */
  public static Tokenizer load(Path directory, String chatTemplate) {
    TokenizerConfig config = TokenizerConfig.read(directory).withChatTemplate(chatTemplate);
    return load(directory.resolve(FILE_NAME), config);
  }

  static Tokenizer load(Path file, TokenizerConfig config) {
    TokenizerJson json = TokenizerJson.read(file);
    NativeLibrary.load();
    NativeTokenizer full;
    try {
      full = new NativeTokenizer(json.text());
    } catch (RuntimeException e) {
      throw new ModelLoadException(
          file,
          "tokenizer",
          String.valueOf(e.getMessage()),
          "use the tokenizer.json that was published with the model",
          e);
    }
    Tokenizer tokenizer = new Tokenizer(json, config, full);
    tokenizer.requireKnownSpecialTokens(file);
    return tokenizer;
  }

  /** What the post-processor adds to a text is not checked by the library. */
  private void requireKnownSpecialTokens(Path file) {
    for (int id : full.encode("", true)) {
      if (!table.contains(id)) {
        close();
        throw new ModelLoadException(
            file,
            "post_processor",
            "it adds the id " + id + ", which has no token",
            "use the tokenizer.json that was published with the model");
      }
    }
  }

  /**
   * The ids of {@code text}, in which the names of special tokens stand for those tokens.
   *
   * @param addSpecialTokens whether the model's BOS, and whatever else its post-processor adds, go
   *     around it
   * @throws InvalidRequestException if the text is too long
   */
  public int[] encode(String text, boolean addSpecialTokens) {
    return encode(full, text, addSpecialTokens);
  }

  /**
   * The ids of {@code text} in which the names of control tokens are text like any other: nothing
   * in it can become a control token.
   *
   * @throws InvalidRequestException if the text is too long
   */
  public int[] encodePlain(String text) {
    return encode(plain.atStart(), text, false);
  }

  /** As {@link #encodePlain}, for text that does not stand at the start of the whole. */
  int[] encodePlainContinuing(String text) {
    return encode(plain.continuing(), text, false);
  }

  private int[] encode(NativeTokenizer tokenizer, String text, boolean addSpecialTokens) {
    if (text.length() > maxCharacters) {
      throw new InvalidRequestException(
          "prompt",
          "the text has "
              + text.length()
              + " characters; at most "
              + maxCharacters
              + " can be encoded");
    }
    String wellFormed = WellFormed.of(text);
    if (text.length() > DIRECT_CHARACTERS && Thread.currentThread().isVirtual()) {
      return threads.run(() -> tokenizer.encode(wellFormed, addSpecialTokens));
    }
    return tokenizer.encode(wellFormed, addSpecialTokens);
  }

  /**
   * The text of {@code tokenIds}; ids without a token have none.
   *
   * @param skipSpecial whether special tokens are left out
   */
  public String decode(int[] tokenIds, boolean skipSpecial) {
    Detokenizer detokenizer = detokenizer(skipSpecial);
    StringBuilder text = new StringBuilder();
    for (int id : tokenIds) {
      text.append(detokenizer.append(id));
    }
    return text.append(detokenizer.finish()).toString();
  }

  /**
   * A new stream of ids to be turned into text; special tokens are left out if {@code skipSpecial}.
   */
  public Detokenizer detokenizer(boolean skipSpecial) {
    return new Detokenizer(table, skipSpecial);
  }

  /** The bytes of the token {@code id} behind other tokens; none for an id without a token. */
  public byte[] tokenBytes(int id) {
    return table.contains(id)
        ? Arrays.copyOfRange(table.bytes(), table.start(id), table.end(id))
        : new byte[0];
  }

  /** Whether {@code id} is left out of text decoded without special tokens. */
  public boolean isSpecial(int id) {
    return id >= 0 && table.isSpecial(id);
  }

  /** One more than the largest id; a model's embedding may have more rows. */
  public int vocabularySize() {
    return table.size();
  }

  /** The id of a token by its exact name in the vocabulary. */
  public OptionalInt idOf(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** The text of the beginning-of-sequence token, where the model has one. */
  public Optional<String> bosToken() {
    return specialToken("bos_token");
  }

  /** The id of the beginning-of-sequence token, where the model has one. */
  public OptionalInt bosId() {
    return bosToken().map(this::idOf).orElse(OptionalInt.empty());
  }

  /** The text of the end-of-sequence token, where the model names one. */
  public Optional<String> eosToken() {
    return specialToken("eos_token");
  }

  /** The id of the end-of-sequence token, where the model names one. */
  public OptionalInt eosId() {
    return eosToken().map(this::idOf).orElse(OptionalInt.empty());
  }

  /** The longest text that is encoded, in UTF-16 code units. */
  public int maxCharacters() {
    return maxCharacters;
  }

  /** All tokens that are found in a text before any other rule applies. */
  List<AddedToken> addedTokens() {
    return addedTokens;
  }

  TokenizerConfig config() {
    return config;
  }

  /** The tokens that text given to {@link #encodePlain} cannot become. */
  List<AddedToken> controlTokens() {
    return controlTokens;
  }

  private Optional<String> specialToken(String role) {
    return Optional.ofNullable(config.specialTokens().get(role));
  }

  /** Frees the native memory; waits for encodes under way, and later ones fail. */
  @Override
  public void close() {
    threads.close();
    full.close();
    plain.close();
  }
}
