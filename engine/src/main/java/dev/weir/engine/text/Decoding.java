package dev.weir.engine.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import tools.jackson.databind.JsonNode;

/**
 * How token strings become text: the {@code decoder} section of tokenizer.json, reduced to the
 * kinds that language models use and that can be run one token at a time.
 */
sealed interface Decoding {

  /** The bytes that {@code token} contributes behind other tokens. */
  byte[] bytes(String token);

  /** The bytes that {@code token} contributes as the first of a text. */
  default byte[] firstBytes(String token) {
    return bytes(token);
  }

  /** Whether {@code token} stands for one raw byte, to be joined with its neighbours. */
  default boolean isByte(String token) {
    return false;
  }

  /**
   * GPT-2's byte-level vocabulary: every character of a token stands for one byte; a token with any
   * other character stands for itself in UTF-8.
   */
  record ByteLevel() implements Decoding {

    @Override
    public byte[] bytes(String token) {
      byte[] bytes = new byte[token.length()];
      for (int i = 0; i < bytes.length; i++) {
        int value = ByteAlphabet.byteOf(token.charAt(i));
        if (value < 0) {
          return token.getBytes(StandardCharsets.UTF_8);
        }
        bytes[i] = (byte) value;
      }
      return bytes;
    }
  }

  /**
   * SentencePiece's vocabulary as converted for Llama and Mistral: replacements inside each token
   * (▁ to a space), {@code <0xE2>} for a single byte, and characters stripped from the start of the
   * text.
   *
   * @param strip the character stripped from the start of the whole text
   * @param stripCount how many of them at most
   */
  record Pieces(List<Replacement> replacements, boolean byteFallback, char strip, int stripCount)
      implements Decoding {

    /** Every {@code from} becomes {@code to}. */
    record Replacement(String from, String to) {}

    private static final int BYTE_TOKEN_LENGTH = "<0x00>".length();
    private static final int FIRST_DIGIT = "<0x".length();

    public Pieces {
      replacements = List.copyOf(replacements);
    }

    @Override
    public byte[] bytes(String token) {
      String text = replaced(token);
      int value = byteFallback ? byteValue(text) : -1;
      return value < 0 ? text.getBytes(StandardCharsets.UTF_8) : new byte[] {(byte) value};
    }

    @Override
    public boolean isByte(String token) {
      return byteFallback && byteValue(replaced(token)) >= 0;
    }

    private String replaced(String token) {
      String text = token;
      for (Replacement replacement : replacements) {
        text = text.replace(replacement.from, replacement.to);
      }
      return text;
    }

    private static int byteValue(String token) {
      if (token.length() != BYTE_TOKEN_LENGTH || !token.startsWith("<0x") || !token.endsWith(">")) {
        return -1;
      }
      char high = token.charAt(FIRST_DIGIT);
      char low = token.charAt(FIRST_DIGIT + 1);
      return HexFormat.isHexDigit(high) && HexFormat.isHexDigit(low)
          ? HexFormat.fromHexDigits(token, FIRST_DIGIT, FIRST_DIGIT + 2)
          : -1;
    }
  }

  /**
   * SentencePiece's vocabulary decoded directly: the mark becomes a space, and in the first token
   * of a text it vanishes.
   */
  record Metaspace(String mark, boolean dropsInFirst) implements Decoding {

    @Override
    public byte[] bytes(String token) {
      return token.replace(mark, " ").getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public byte[] firstBytes(String token) {
      return token.replace(mark, dropsInFirst ? "" : " ").getBytes(StandardCharsets.UTF_8);
    }
  }

  /**
   * Reads a {@code decoder} section.
   *
   * @throws IllegalArgumentException naming what cannot be run one token at a time
   */
  static Decoding parse(JsonNode decoder) {
    List<JsonNode> steps = new ArrayList<>();
    flatten(decoder, steps);
    List<String> types = steps.stream().map(Decoding::type).toList();
    if (types.equals(List.of("ByteLevel"))) {
      return new ByteLevel();
    }
    if (types.equals(List.of("Metaspace"))) {
      return metaspace(steps.getFirst());
    }
    return pieces(steps, types);
  }

  private static void flatten(JsonNode decoder, List<JsonNode> steps) {
    if (type(decoder).equals("Sequence")) {
      decoder.path("decoders").forEach(step -> flatten(step, steps));
    } else {
      steps.add(decoder);
    }
  }

  private static String type(JsonNode decoder) {
    return decoder.path("type").asString("none");
  }

  private static Metaspace metaspace(JsonNode step) {
    // Files older than `prepend_scheme` say `add_prefix_space`; both default to the mark being
    // added in front when encoding, so dropped when decoding.
    boolean adds =
        step.has("prepend_scheme")
            ? !step.path("prepend_scheme").asString("").equals("never")
            : step.path("add_prefix_space").asBoolean(true);
    return new Metaspace(step.path("replacement").asString("\u2581"), adds);
  }

  /**
   * Replace*, ByteFallback?, Fuse?, Strip?: in this order, as only then each token is on its own.
   */
  private static Pieces pieces(List<JsonNode> steps, List<String> types) {
    List<Pieces.Replacement> replacements = new ArrayList<>();
    int next = 0;
    while (next < types.size() && types.get(next).equals("Replace")) {
      replacements.add(replacement(steps.get(next++)));
    }
    boolean byteFallback = next < types.size() && types.get(next).equals("ByteFallback");
    next += byteFallback ? 1 : 0;
    boolean fuse = next < types.size() && types.get(next).equals("Fuse");
    next += fuse ? 1 : 0;
    char strip = ' ';
    int count = 0;
    if (fuse && next < types.size() && types.get(next).equals("Strip")) {
      JsonNode step = steps.get(next++);
      count = step.path("start").asInt(0);
      String content = step.path("content").asString(" ");
      if (step.path("stop").asInt(0) != 0 || count < 0 || content.length() != 1) {
        throw unsupported("a Strip at the end of the text");
      }
      strip = content.charAt(0);
    }
    if (next == 0 || next < types.size()) {
      throw unsupported(types.toString());
    }
    return new Pieces(replacements, byteFallback, strip, count);
  }

  private static Pieces.Replacement replacement(JsonNode step) {
    JsonNode from = step.path("pattern").path("String");
    JsonNode to = step.path("content");
    if (!from.isString() || !to.isString() || from.asString().isEmpty()) {
      throw unsupported("a Replace whose pattern is not a plain string");
    }
    return new Pieces.Replacement(from.asString(), to.asString());
  }

  private static IllegalArgumentException unsupported(String what) {
    return new IllegalArgumentException(
        what
            + " cannot be decoded one token at a time; supported are ByteLevel, Metaspace, and"
            + " Replace, ByteFallback, Fuse, Strip in this order");
  }

  /** GPT-2's mapping of the 256 bytes to printable characters. */
  final class ByteAlphabet {

    private static final int BYTES = 256;
    private static final int[] BYTE_OF_CHAR = build();

    private ByteAlphabet() {}

    /** The byte for which {@code c} stands, or -1. */
    static int byteOf(char c) {
      return c < BYTE_OF_CHAR.length ? BYTE_OF_CHAR[c] : -1;
    }

    /** Printable Latin-1 stands for itself; the other bytes take the characters from 256 on. */
    private static int[] build() {
      int[] bytes = new int[2 * BYTES];
      Arrays.fill(bytes, -1);
      int next = BYTES;
      for (int value = 0; value < BYTES; value++) {
        boolean printable =
            (value >= '!' && value <= '~')
                || (value >= '\u00A1' && value <= '\u00AC')
                || (value >= '\u00AE' && value <= '\u00FF');
        bytes[printable ? value : next++] = value;
      }
      return bytes;
    }
  }
}
