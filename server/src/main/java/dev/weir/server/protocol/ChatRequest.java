package dev.weir.server.protocol;

import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A request of {@code /v1/chat/completions}.
 *
 * @param model the model asked for; null where the request names none
 * @param prompt what the chat template renders
 * @param sampling how to answer
 * @param choices how many answers
 * @param skipSpecialTokens whether control tokens are left out of the text
 * @param terms whose it is, where it should run, and for how long
 * @param form how the answer comes
 */
public record ChatRequest(
    @Nullable String model,
    ChatPrompt prompt,
    Sampling sampling,
    int choices,
    boolean skipSpecialTokens,
    Terms terms,
    ReplyForm form) {

  /** Fields that would change the answer, and what to do instead. */
  private static final Map<String, String> UNSUPPORTED =
      Map.of(
          "functions", "use tools",
          "function_call", "use tools",
          "audio", "only text is spoken here",
          "web_search_options", "leave it out",
          "chat_template", "the model's own template is used",
          "echo", "leave it out");

  /** Variables that a request must not replace: they make the template what it is. */
  private static final Set<String> RESERVED =
      Set.of(
          "messages",
          "tools",
          "documents",
          "add_generation_prompt",
          "chat_template",
          "tokenize",
          "bos_token",
          "eos_token",
          "raise_exception",
          "strftime_now");

  private static final int MAX_MODALITIES = 8; // text, audio, and room for what is to come
  private static final int MAX_TEMPLATE_VARIABLES = 64;
  private static final int MAX_DOCUMENTS = 1024;

  /**
   * Reads a request body.
   *
   * @throws ApiException 400, naming the field at fault
   */
  public static ChatRequest read(byte[] body, Headers headers, ModelFacts model) {
    Fields fields = Fields.of(Json.readObject(body));
    refuseUnsupported(fields);
    return new ChatRequest(
        fields.text("model"),
        prompt(fields),
        SamplingFields.read(fields, model, maxTokens(fields, model), logprobs(fields)),
        SamplingFields.choices(fields),
        fields.flag("skip_special_tokens", true),
        TermsFields.read(fields, headers, model),
        ReplyForm.read(fields, headers));
  }

  private static void refuseUnsupported(Fields fields) {
    UNSUPPORTED.forEach(
        (name, hint) -> {
          boolean none = name.equals("function_call") && isNone(fields.get(name));
          if (!none && !fields.off(name)) {
            throw ApiException.unsupported(name, hint);
          }
        });
    for (JsonNode modality : fields.list("modalities", MAX_MODALITIES)) {
      if (!modality.isString() || !modality.stringValue().equals("text")) {
        throw ApiException.unsupported("modalities", "the only one allowed is \"text\"");
      }
    }
  }

  private static boolean isNone(@Nullable JsonNode value) {
    return value != null && value.isString() && value.stringValue().equals("none");
  }

  private static int maxTokens(Fields fields, ModelFacts model) {
    // The older name is still what most clients send; the newer one wins, as it does at OpenAI.
    String name = fields.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
    int maxTokens = fields.integer(name, model.contextLength());
    if (maxTokens < 1) {
      throw ApiException.invalid(name, name + " is " + maxTokens + ", must be at least 1");
    }
    return maxTokens;
  }

  private static int logprobs(Fields fields) {
    boolean wanted = fields.flag("logprobs", false);
    JsonNode alternatives = fields.get("top_logprobs");
    if (alternatives == null) {
      return wanted ? 0 : Sampling.NO_LOGPROBS;
    }
    int count = (int) Fields.integer(alternatives, "top_logprobs", 0, Sampling.MAX_LOGPROBS);
    if (!wanted && count > 0) {
      throw ApiException.invalid(
          "top_logprobs", "top_logprobs is only allowed where logprobs is true");
    }
    return wanted ? count : Sampling.NO_LOGPROBS;
  }

  /** What the template renders. */
  static ChatPrompt prompt(Fields fields) {
    boolean continueFinal = fields.flag("continue_final_message", false);
    boolean generate = fields.flag("add_generation_prompt", !continueFinal);
    if (generate && continueFinal) {
      throw ApiException.invalid(
          "continue_final_message",
          "continue_final_message and add_generation_prompt exclude each other");
    }
    return new ChatPrompt(
        ChatMessages.read(fields),
        ChatTools.read(fields),
        documents(fields),
        generate,
        continueFinal,
        extra(fields));
  }

  private static List<Map<String, @Nullable Object>> documents(Fields fields) {
    List<Map<String, @Nullable Object>> documents = new ArrayList<>();
    for (JsonNode document : fields.list("documents", MAX_DOCUMENTS)) {
      Fields.of(document, "documents[" + documents.size() + "]");
      documents.add(Json.plainObject(document));
    }
    return Collections.unmodifiableList(documents);
  }

  private static Map<String, @Nullable Object> extra(Fields fields) {
    Map<String, @Nullable Object> variables = new LinkedHashMap<>();
    JsonNode extra = fields.get("chat_template_kwargs");
    if (extra != null) {
      Fields.of(extra, "chat_template_kwargs");
      if (extra.size() > MAX_TEMPLATE_VARIABLES) {
        throw ApiException.invalid(
            "chat_template_kwargs",
            "chat_template_kwargs may have at most " + MAX_TEMPLATE_VARIABLES + " entries");
      }
      for (String name : extra.propertyNames()) {
        if (RESERVED.contains(name)) {
          throw ApiException.invalid(
              "chat_template_kwargs." + name, "chat_template_kwargs must not set " + name);
        }
      }
      variables.putAll(Json.plainObject(extra));
    }
    String effort = fields.text("reasoning_effort");
    if (effort != null) {
      variables.putIfAbsent("reasoning_effort", effort);
    }
    return Collections.unmodifiableMap(variables);
  }
}
