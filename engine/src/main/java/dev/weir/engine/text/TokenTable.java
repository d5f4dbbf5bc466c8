package dev.weir.engine.text;

import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of every token, one after the other in one array: what decoding needs, without a string
 * or an object per token.
 */
final class TokenTable {

  private final Decoding decoding;
  private final @Nullable String[] tokens;
  private final byte[] bytes;
  private final int[] offsets;
  private final BitSet special = new BitSet();
  private final BitSet rawBytes = new BitSet();

  TokenTable(List<@Nullable String> byId, List<AddedToken> addedTokens, Decoding decoding) {
    this.decoding = decoding;
    tokens = byId.toArray(new @Nullable String[0]);
    offsets = new int[tokens.length + 1];
    byte[][] all = new byte[tokens.length][];
    int total = 0;
    for (int id = 0; id < tokens.length; id++) {
      String token = tokens[id];
      all[id] = token == null ? new byte[0] : decoding.bytes(token);
      total = Math.addExact(total, all[id].length);
      offsets[id + 1] = total;
      rawBytes.set(id, token != null && decoding.isByte(token));
    }
    bytes = new byte[total];
    for (int id = 0; id < tokens.length; id++) {
      System.arraycopy(all[id], 0, bytes, offsets[id], all[id].length);
    }
    addedTokens.stream().filter(AddedToken::special).forEach(token -> special.set(token.id()));
  }

  /** One more than the largest id. */
  int size() {
    return tokens.length;
  }

  Decoding decoding() {
    return decoding;
  }

  /** Whether {@code id} has a token; ids of padded embedding rows have none. */
  boolean contains(int id) {
    return id >= 0 && id < tokens.length && tokens[id] != null;
  }

  boolean isSpecial(int id) {
    return special.get(id);
  }

  /** Whether {@code id} stands for one raw byte (SentencePiece's {@code <0xE2>}). */
  boolean isRawByte(int id) {
    return rawBytes.get(id);
  }

  /** The token string as the vocabulary has it. */
  String token(int id) {
    String token = tokens[id];
    if (token == null) {
      throw new IllegalArgumentException("the id " + id + " has no token");
    }
    return token;
  }

  /** The array of all bytes; those of {@code id} are from {@link #start} to {@link #end}. */
  byte[] bytes() {
    return bytes;
  }

  int start(int id) {
    return offsets[id];
  }

  int end(int id) {
    return offsets[id + 1];
  }
}
