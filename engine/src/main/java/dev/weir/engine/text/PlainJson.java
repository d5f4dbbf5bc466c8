package dev.weir.engine.text;

import java.security.SecureRandom;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Rewrites a tokenizer.json so that its control tokens are no longer found in text: the library has
 * a switch for that, but not through JNI.
 *
 * <p>A control token that is in the vocabulary as well is left out of {@code added_tokens}. One
 * that is not must stay, because the library numbers added tokens in order; it gets a name nobody
 * can guess instead.
 */
final class PlainJson {

  private static final int NAME_BYTES = 16;
  private static final Pattern PREPEND_FIRST =
      Pattern.compile("\"prepend_scheme\"\\s*:\\s*\"first\"");

  private PlainJson() {}

  /** {@code json} without {@code control}; ids stay what they were. */
  static String of(TokenizerJson json, List<AddedToken> control) {
    byte[] secret = new byte[NAME_BYTES];
    new SecureRandom().nextBytes(secret);
    String name = HexFormat.of().formatHex(secret);
    Set<Integer> hidden = new HashSet<>();
    control.forEach(token -> hidden.add(token.id()));
    ArrayNode added = JsonMapper.shared().createArrayNode();
    for (JsonNode token : json.addedTokensNode(JsonMapper.shared())) {
      int id = token.path("id").asInt();
      if (!hidden.contains(id)) {
        added.add(token);
      } else if (id >= json.modelVocabulary()) {
        added.add(((ObjectNode) token).put("content", name + id).put("normalized", false));
      }
    }
    return json.withAddedTokens(added);
  }

  /**
   * The same for text that continues another: a vocabulary that marks the start of the text with a
   * space ({@code "prepend_scheme": "first"}) must not do so again.
   */
  static String continuing(String plain) {
    return PREPEND_FIRST.matcher(plain).replaceAll("\"prepend_scheme\":\"never\"");
  }
}
