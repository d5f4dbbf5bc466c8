package dev.weir.server.protocol;

import java.util.List;
import tools.jackson.databind.JsonNode;

/** Arrays of token ids. */
final class TokenIds {
  private TokenIds() {}

  /** Reads a prompt: at least one id, all in the vocabulary, no more than the context holds. */
  static int[] read(JsonNode value, String path, ModelFacts model) {
    List<JsonNode> elements = Fields.list(value, path, Integer.MAX_VALUE);
    if (elements.isEmpty()) {
      throw ApiException.invalid(path, path + " is empty; it must have at least one token id");
    }
    if (elements.size() > model.contextLength()) {
      throw ApiException.of(
          400,
          path,
          "context_length_exceeded",
          "%s has %d tokens; the context holds %d"
              .formatted(path, elements.size(), model.contextLength()));
    }
    return ids(elements, path, model.vocabularySize());
  }

  static int[] ids(List<JsonNode> elements, String path, int vocabularySize) {
    int[] ids = new int[elements.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = SamplingFields.tokenId(elements.get(i), path + "[" + i + "]", vocabularySize);
    }
    return ids;
  }
}
