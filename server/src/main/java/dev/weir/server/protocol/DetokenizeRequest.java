package dev.weir.server.protocol;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * A request of {@code /detokenize}.
 *
 * @param model the model asked for; null where the request names none
 * @param tokens token ids, possibly none
 */
@SuppressWarnings("ArrayRecordComponent") // read, never compared
public record DetokenizeRequest(@Nullable String model, int... tokens) {

  /**
   * Reads a request body.
   *
   * @throws ApiException 400, naming the field at fault
   */
  public static DetokenizeRequest read(byte[] body, ModelFacts model) {
    Fields fields = Fields.of(Json.readObject(body));
    fields.required("tokens", "an array of token ids");
    return new DetokenizeRequest(
        fields.text("model"),
        TokenIds.ids(
            fields.list("tokens", Math.toIntExact(Json.MAX_VALUES)),
            "tokens",
            model.vocabularySize()));
  }

  /** The reply. */
  public static byte[] reply(String text) {
    return Json.write(JsonNodeFactory.instance.objectNode().put("prompt", text));
  }
}
