package dev.weir.server.protocol;

import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A request of {@code /tokenize}: a text or a chat.
 *
 * @param model the model asked for; null where the request names none
 * @param text the text; empty for a chat
 * @param chat the chat; null for a text
 * @param addSpecialTokens whether the tokenizer's own first token is put before a text
 * @param returnTokenStrings whether the tokens' texts are wanted too
 */
public record TokenizeRequest(
    @Nullable String model,
    String text,
    @Nullable ChatPrompt chat,
    boolean addSpecialTokens,
    boolean returnTokenStrings) {

  /**
   * Reads a request body.
   *
   * @throws ApiException 400, naming the field at fault
   */
  public static TokenizeRequest read(byte[] body) {
    Fields fields = Fields.of(Json.readObject(body));
    boolean chat = fields.has("messages");
    String text = chat ? "" : fields.requiredText("prompt");
    if (chat && fields.has("prompt")) {
      throw ApiException.invalid("prompt", "prompt and messages exclude each other");
    }
    return new TokenizeRequest(
        fields.text("model"),
        text,
        chat ? ChatRequest.prompt(fields) : null,
        fields.flag("add_special_tokens", true),
        fields.flag("return_token_strs", false));
  }

  /**
   * The reply.
   *
   * @param tokens the ids
   * @param texts their texts, where wanted
   * @param contextLength longest sequence of the model
   */
  public static byte[] reply(int[] tokens, @Nullable List<String> texts, int contextLength) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("count", tokens.length).put("max_model_len", contextLength);
    ArrayNode ids = root.putArray("tokens");
    for (int token : tokens) {
      ids.add(token);
    }
    if (texts != null) {
      ArrayNode strings = root.putArray("token_strs");
      texts.forEach(strings::add);
    }
    return Json.write(root);
  }
}
