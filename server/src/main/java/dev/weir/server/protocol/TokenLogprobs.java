package dev.weir.server.protocol;

import dev.weir.engine.request.TokenEvent;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.IntFunction;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Logprobs in the shapes of the two endpoints. A token's text is that of its own bytes; where these
 * are only a part of a character, chat shows U+FFFD (and the bytes beside it), completions spell
 * the bytes, because there the text is a key.
 */
final class TokenLogprobs {
  /** JSON has no infinity; OpenAI's description names this value for a token that cannot occur. */
  static final double IMPOSSIBLE = -9999;

  private TokenLogprobs() {}

  /** {@code logprobs} of a chat choice. */
  static ObjectNode chat(List<TokenEvent.Token> tokens, IntFunction<byte[]> vocabulary) {
    ObjectNode logprobs = JsonNodeFactory.instance.objectNode();
    ArrayNode content = logprobs.putArray("content");
    for (TokenEvent.Token token : tokens) {
      ObjectNode entry = content.addObject();
      describe(entry, vocabulary.apply(token.id()), token.logprob());
      ArrayNode top = entry.putArray("top_logprobs");
      for (TokenEvent.Alternative alternative : token.alternatives()) {
        describe(top.addObject(), vocabulary.apply(alternative.id()), alternative.logprob());
      }
    }
    logprobs.putNull("refusal");
    return logprobs;
  }

  private static void describe(ObjectNode entry, byte[] bytes, float logprob) {
    entry.put("token", new String(bytes, StandardCharsets.UTF_8)).put("logprob", finite(logprob));
    ArrayNode list = entry.putArray("bytes");
    for (byte b : bytes) {
      list.add(b & 0xFF);
    }
  }

  /**
   * {@code logprobs} of a completion choice.
   *
   * @param offset where the first token's text starts in the choice's text, in characters
   */
  static ObjectNode completion(
      List<TokenEvent.Token> tokens, IntFunction<byte[]> vocabulary, int offset) {
    ObjectNode logprobs = JsonNodeFactory.instance.objectNode();
    ArrayNode texts = logprobs.putArray("tokens");
    ArrayNode chosen = logprobs.putArray("token_logprobs");
    ArrayNode tops = logprobs.putArray("top_logprobs");
    ArrayNode offsets = logprobs.putArray("text_offset");
    int at = offset;
    for (TokenEvent.Token token : tokens) {
      String text = key(vocabulary.apply(token.id()));
      texts.add(text);
      chosen.add(finite(token.logprob()));
      ObjectNode top = tops.addObject();
      for (TokenEvent.Alternative alternative : token.alternatives()) {
        top.put(key(vocabulary.apply(alternative.id())), finite(alternative.logprob()));
      }
      top.put(text, finite(token.logprob()));
      offsets.add(at);
      at += token.text().codePointCount(0, token.text().length());
    }
    return logprobs;
  }

  private static String key(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      StringBuilder spelled = new StringBuilder("bytes:");
      for (byte b : bytes) {
        spelled.append("\\x%02x".formatted(b & 0xFF));
      }
      return spelled.toString();
    }
  }

  private static double finite(float logprob) {
    return Float.isFinite(logprob) ? logprob : IMPOSSIBLE;
  }
}
