package dev.weir.trainer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A byte-level BPE vocabulary: special tokens, then the 256 bytes, then one token per merge, in the
 * order of the merges.
 */
final class Vocabulary {
  /** Ends a plain text, and stands between documents. */
  static final int END_OF_TEXT = 0;

  /** Opens a system message. */
  static final int SYSTEM = 1;

  /** Opens a user's message. */
  static final int USER = 2;

  /** Opens an answer. */
  static final int ASSISTANT = 3;

  /** Ends a message. */
  static final int END = 4;

  /** The special tokens, by id. */
  static final List<String> SPECIALS =
      List.of("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>");

  /** Two tokens that become one. */
  record Pair(int left, int right) {}

  private static final int NONE = Integer.MAX_VALUE;

  private final List<Pair> merges;
  private final Map<Pair, Integer> merged = new HashMap<>();
  private final List<byte[]> bytes = new ArrayList<>();
  private final Map<String, int[]> cache = new HashMap<>();

  Vocabulary(List<Pair> merges) {
    this.merges = List.copyOf(merges);
    for (String special : SPECIALS) {
      bytes.add(special.getBytes(StandardCharsets.UTF_8));
    }
    for (int value = 0; value < ByteAlphabet.SIZE; value++) {
      bytes.add(new byte[] {(byte) value});
    }
    for (Pair pair : this.merges) {
      merged.put(pair, bytes.size());
      ByteArrayOutputStream both = new ByteArrayOutputStream();
      both.writeBytes(bytes.get(pair.left()));
      both.writeBytes(bytes.get(pair.right()));
      bytes.add(both.toByteArray());
    }
  }

  /** Returns the id of the token that is the one byte (0 to 255). */
  static int byteToken(int value) {
    return SPECIALS.size() + value;
  }

  int size() {
    return bytes.size();
  }

  List<Pair> merges() {
    return merges;
  }

  /** Returns the token's spelling in {@code tokenizer.json}. */
  String spelling(int token) {
    if (token < SPECIALS.size()) {
      return SPECIALS.get(token);
    }
    StringBuilder spelling = new StringBuilder();
    for (byte value : bytes.get(token)) {
      spelling.append(ByteAlphabet.symbol(Byte.toUnsignedInt(value)));
    }
    return spelling.toString();
  }

  /** Returns the text's tokens; special tokens are never read out of text. */
  int[] encode(String text) {
    return PreTokenizer.split(text).stream()
        .flatMapToInt(piece -> Arrays.stream(cache.computeIfAbsent(piece, this::encodePiece)))
        .toArray();
  }

  /** Returns the text of the tokens, without special tokens. */
  String decode(int[] tokens) {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    for (int token : tokens) {
      if (token >= SPECIALS.size()) {
        text.writeBytes(bytes.get(token));
      }
    }
    return text.toString(StandardCharsets.UTF_8);
  }

  private int[] encodePiece(String piece) {
    List<Integer> tokens = new ArrayList<>();
    for (byte value : piece.getBytes(StandardCharsets.UTF_8)) {
      tokens.add(byteToken(Byte.toUnsignedInt(value)));
    }
    int next = firstMerged(tokens);
    while (next != NONE) {
      tokens = replace(tokens, merges.get(next - byteToken(ByteAlphabet.SIZE)), next);
      next = firstMerged(tokens);
    }
    return tokens.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Returns the token of the merge that was learned first; {@code NONE} if nothing merges. */
  private int firstMerged(List<Integer> tokens) {
    int lowest = NONE;
    for (int i = 0; i + 1 < tokens.size(); i++) {
      Pair pair = new Pair(tokens.get(i), tokens.get(i + 1));
      lowest = Math.min(lowest, merged.getOrDefault(pair, NONE));
    }
    return lowest;
  }

  /** Returns the tokens with each occurrence of the pair, from the left, made one token. */
  static List<Integer> replace(List<Integer> tokens, Pair pair, int by) {
    List<Integer> replaced = new ArrayList<>(tokens.size());
    for (int i = 0; i < tokens.size(); i++) {
      if (i + 1 < tokens.size()
          && tokens.get(i) == pair.left()
          && tokens.get(i + 1) == pair.right()) {
        replaced.add(by);
        i++;
      } else {
        replaced.add(tokens.get(i));
      }
    }
    return replaced;
  }
}
