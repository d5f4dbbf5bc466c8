package dev.weir.server.protocol;

import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** The fields that both completion endpoints share. */
final class SamplingFields {
  /** vLLM's spelling of "keep all tokens", which its clients send here too. */
  private static final int TOP_K_OFF = -1;

  /** Fields of other servers that would change the answer, and what to say of them. */
  private static final Map<String, String> UNSUPPORTED =
      Map.ofEntries(
          Map.entry("use_beam_search", "leave it out"),
          Map.entry("prompt_logprobs", "leave it out"),
          Map.entry("prompt_embeds", "send prompt as text or token ids"),
          Map.entry("logits_processors", "leave it out"),
          Map.entry("structured_outputs", "describe the wanted form in the prompt"),
          Map.entry("guided_json", "describe the wanted form in the prompt"),
          Map.entry("guided_regex", "describe the wanted form in the prompt"),
          Map.entry("guided_choice", "describe the wanted form in the prompt"),
          Map.entry("guided_grammar", "describe the wanted form in the prompt"),
          Map.entry("grammar", "describe the wanted form in the prompt"));

  private SamplingFields() {}

  /**
   * Reads the sampling.
   *
   * @param logprobs already read, as the endpoints spell it differently
   */
  static Sampling read(Fields fields, ModelFacts model, int maxTokens, int logprobs) {
    refuseUnsupported(fields);
    SamplingDefaults defaults = model.defaults();
    int topK = fields.integer("top_k", defaults.topK());
    Sampling.Builder sampling =
        Sampling.builder()
            .temperature(fields.number("temperature", defaults.temperature()))
            .topK(topK == TOP_K_OFF ? 0 : topK)
            .topP(fields.number("top_p", defaults.topP()))
            .minP(fields.number("min_p", defaults.minP()))
            .repetitionPenalty(fields.number("repetition_penalty", defaults.repetitionPenalty()))
            .presencePenalty(fields.number("presence_penalty", 0))
            .frequencyPenalty(fields.number("frequency_penalty", 0))
            .logitBias(logitBias(fields, model))
            .maxTokens(maxTokens)
            .minTokens(fields.integer("min_tokens", 0))
            .stopTokenIds(stopTokenIds(fields, model))
            .stopStrings(stopStrings(fields))
            .ignoreEos(fields.flag("ignore_eos", false))
            .logprobs(logprobs);
    JsonNode seed = fields.get("seed");
    if (seed != null) {
      sampling.seed(Fields.integer(seed, fields.path("seed"), Long.MIN_VALUE, Long.MAX_VALUE));
    }
    try {
      return sampling.build();
    } catch (InvalidRequestException e) {
      throw ApiException.invalid(e.parameter(), String.valueOf(e.getMessage()));
    }
  }

  private static void refuseUnsupported(Fields fields) {
    UNSUPPORTED.forEach(
        (name, hint) -> {
          if (!fields.off(name)) {
            throw ApiException.unsupported(name, hint);
          }
        });
    JsonNode format = fields.get("response_format");
    if (format != null) {
      Fields parts = Fields.of(format, "response_format");
      String type = parts.requiredText("type");
      if (!type.equals("text")) {
        throw ApiException.unsupported(
            "response_format.type", "the only value allowed is \"text\"");
      }
    }
    if (fields.has("best_of") && fields.integer("best_of", 1) != choices(fields)) {
      throw ApiException.unsupported("best_of", "leave it out, or set it to the value of n");
    }
  }

  static int choices(Fields fields) {
    int choices = fields.integer("n", 1);
    if (choices < 1 || choices > Request.MAX_CHOICES) {
      throw ApiException.invalid(
          "n", "n is " + choices + ", must be from 1 to " + Request.MAX_CHOICES);
    }
    return choices;
  }

  private static Map<Integer, Float> logitBias(Fields fields, ModelFacts model) {
    JsonNode value = fields.get("logit_bias");
    if (value == null) {
      return Map.of();
    }
    if (!value.isObject()) {
      throw Fields.wrongType("logit_bias", value, "an object from token ids to numbers");
    }
    if (value.size() > Sampling.MAX_BIASES) {
      throw ApiException.invalid(
          "logit_bias",
          "logit_bias has %d entries; it may have at most %d"
              .formatted(value.size(), Sampling.MAX_BIASES));
    }
    Map<Integer, Float> biases = new LinkedHashMap<>();
    value
        .properties()
        .forEach(
            entry -> {
              int id = biasedToken(entry.getKey(), model.vocabularySize());
              biases.put(id, Fields.number(entry.getValue(), "logit_bias." + id));
            });
    return biases;
  }

  private static int biasedToken(String key, int vocabularySize) {
    // No sign, no leading zero, and short enough for an int.
    if (key.matches("0|[1-9]\\d{0,8}") && Integer.parseInt(key) < vocabularySize) {
      return Integer.parseInt(key);
    }
    throw ApiException.invalid(
        "logit_bias",
        "logit_bias has the key %s; keys must be token ids from 0 to %d"
            .formatted(ApiException.excerpt(key), vocabularySize - 1));
  }

  private static List<Integer> stopTokenIds(Fields fields, ModelFacts model) {
    List<Integer> ids = new ArrayList<>();
    for (JsonNode id : fields.list("stop_token_ids", Sampling.MAX_STOPS)) {
      ids.add(tokenId(id, "stop_token_ids[" + ids.size() + "]", model.vocabularySize()));
    }
    return ids;
  }

  static int tokenId(JsonNode value, String path, int vocabularySize) {
    return (int) Fields.integer(value, path, 0, vocabularySize - 1L);
  }

  private static List<String> stopStrings(Fields fields) {
    JsonNode stop = fields.get("stop");
    if (stop == null) {
      return List.of();
    }
    if (stop.isString()) {
      return List.of(stop.stringValue());
    }
    if (!stop.isArray()) {
      throw Fields.wrongType("stop", stop, "a string or an array of strings");
    }
    List<String> strings = new ArrayList<>();
    for (JsonNode string : Fields.list(stop, "stop", Sampling.MAX_STOPS)) {
      strings.add(Fields.text(string, "stop[" + strings.size() + "]"));
    }
    return strings;
  }
}
