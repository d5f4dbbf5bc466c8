package dev.weir.server.protocol;

import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A request of {@code /v1/completions}.
 *
 * @param model the model asked for; null where the request names none
 * @param prompts at least one
 * @param sampling for each of them
 * @param choices continuations of each prompt
 * @param echo whether each answer starts with its prompt
 * @param skipSpecialTokens whether control tokens are left out of the text
 * @param terms whose it is, where it should run, and for how long
 * @param form how the answer comes
 */
public record CompletionRequest(
    @Nullable String model,
    List<Prompt> prompts,
    Sampling sampling,
    int choices,
    boolean echo,
    boolean skipSpecialTokens,
    Terms terms,
    ReplyForm form) {

  /**
   * Reads a request body.
   *
   * @throws ApiException 400, naming the field at fault
   */
  public static CompletionRequest read(byte[] body, Headers headers, ModelFacts model) {
    Fields fields = Fields.of(Json.readObject(body));
    int logprobs = logprobs(fields);
    boolean echo = fields.flag("echo", false);
    if (echo && logprobs != Sampling.NO_LOGPROBS) {
      throw ApiException.unsupported("echo", "together with logprobs it would need the prompt's");
    }
    String suffix = fields.text("suffix");
    if (suffix != null && !suffix.isEmpty()) {
      throw ApiException.unsupported("suffix", "leave it out");
    }
    int maxTokens = fields.integer("max_tokens", Sampling.Builder.DEFAULT_MAX_TOKENS);
    int choices = SamplingFields.choices(fields);
    List<Prompt> prompts = prompts(fields, model);
    if (prompts.size() * (long) choices > Request.MAX_CHOICES) {
      throw ApiException.invalid(
          "n",
          "%d prompts with n = %d make %d choices; one request may make at most %d"
              .formatted(
                  prompts.size(), choices, prompts.size() * (long) choices, Request.MAX_CHOICES));
    }
    return new CompletionRequest(
        fields.text("model"),
        prompts,
        SamplingFields.read(fields, model, maxTokens, logprobs),
        choices,
        echo,
        fields.flag("skip_special_tokens", true),
        TermsFields.read(fields, headers, model),
        ReplyForm.read(fields, headers));
  }

  /** A number of alternatives, or true for none but the chosen token. */
  private static int logprobs(Fields fields) {
    JsonNode value = fields.get("logprobs");
    if (value == null) {
      return Sampling.NO_LOGPROBS;
    }
    if (value.isBoolean()) {
      return value.booleanValue() ? 0 : Sampling.NO_LOGPROBS;
    }
    return (int) Fields.integer(value, "logprobs", 0, Sampling.MAX_LOGPROBS);
  }

  private static List<Prompt> prompts(Fields fields, ModelFacts model) {
    String wanted = "a string, an array of strings, or one or several arrays of token ids";
    JsonNode value = fields.required("prompt", wanted);
    boolean special = fields.flag("add_special_tokens", true);
    if (value.isString()) {
      return List.of(new Prompt.Text(value.stringValue(), special));
    }
    if (!value.isArray()) {
      throw Fields.wrongType("prompt", value, wanted);
    }
    if (value.isEmpty()) {
      throw ApiException.invalid("prompt", "prompt is an empty array; it must be " + wanted);
    }
    if (value.get(0).isNumber()) {
      return List.of(tokens(value, "prompt", model));
    }
    List<Prompt> prompts = new ArrayList<>();
    for (JsonNode element : Fields.list(value, "prompt", Request.MAX_CHOICES)) {
      String path = "prompt[" + prompts.size() + "]";
      if (element.isString()) {
        prompts.add(new Prompt.Text(element.stringValue(), special));
      } else {
        prompts.add(tokens(element, path, model));
      }
    }
    return List.copyOf(prompts);
  }

  private static Prompt tokens(JsonNode value, String path, ModelFacts model) {
    return new Prompt.Tokens(TokenIds.read(value, path, model));
  }
}
