package dev.weir.server.protocol;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Usage;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.NullNode;
import tools.jackson.databind.node.ObjectNode;

/** Whole replies as UTF-8 JSON. */
public final class Replies {
  private Replies() {}

  /**
   * The reply of {@code /v1/chat/completions}.
   *
   * @param vocabulary the bytes of a token, where logprobs were asked for; else null
   * @param includeAccount whether to tell where the time went
   */
  public static byte[] chat(
      ReplyHead head,
      Outcome outcome,
      @Nullable IntFunction<byte[]> vocabulary,
      boolean includeAccount) {
    Completion completion = outcome.completion();
    ObjectNode root = root(head, "chat.completion");
    ArrayNode choices = root.putArray("choices");
    for (Completion.Choice choice : completion.choices()) {
      ObjectNode entry = choices.addObject().put("index", choices.size() - 1);
      entry
          .putObject("message")
          .put("role", "assistant")
          .put("content", choice.text())
          .putNull("refusal");
      JsonNode logprobs =
          vocabulary == null ? NullNode.instance : TokenLogprobs.chat(choice.tokens(), vocabulary);
      entry.set("logprobs", logprobs);
      end(entry, choice.reason(), outcome.account());
    }
    root.set("usage", usage(completion.usage()));
    if (includeAccount) {
      root.set("weir", Accounts.node(List.of(outcome.account())));
    }
    return Json.write(root);
  }

  /**
   * The reply of {@code /v1/completions}.
   *
   * @param outcomes one per prompt
   * @param echoes what to put before the text of each prompt's choices; empty strings where echo is
   *     off
   * @param vocabulary the bytes of a token, where logprobs were asked for; else null
   * @param includeAccount whether to tell where the time went
   */
  public static byte[] completion(
      ReplyHead head,
      List<Outcome> outcomes,
      List<String> echoes,
      @Nullable IntFunction<byte[]> vocabulary,
      boolean includeAccount) {
    ObjectNode root = root(head, "text_completion");
    ArrayNode choices = root.putArray("choices");
    Usage total = new Usage(0, 0, 0);
    for (int i = 0; i < outcomes.size(); i++) {
      Completion completion = outcomes.get(i).completion();
      for (Completion.Choice choice : completion.choices()) {
        ObjectNode entry = choices.addObject().put("index", choices.size() - 1);
        entry.put("text", echoes.get(i) + choice.text());
        JsonNode logprobs =
            vocabulary == null
                ? NullNode.instance
                : TokenLogprobs.completion(choice.tokens(), vocabulary, 0);
        entry.set("logprobs", logprobs);
        end(entry, choice.reason(), outcomes.get(i).account());
      }
      total = sum(total, completion.usage());
    }
    root.set("usage", usage(total));
    if (includeAccount) {
      root.set("weir", Accounts.node(outcomes.stream().map(Outcome::account).toList()));
    }
    return Json.write(root);
  }

  private static void end(ObjectNode choice, FinishReason reason, Account account) {
    choice.put("finish_reason", finishReason(reason));
    String timeout = Accounts.timeout(reason, account);
    if (timeout != null) {
      choice.put("timeout", timeout);
    }
  }

  /** The list of {@code /v1/models}. */
  public static byte[] models(String model, long created, int contextLength) {
    ObjectNode root = JsonNodeFactory.instance.objectNode().put("object", "list");
    root.putArray("data").add(modelNode(model, created, contextLength));
    return Json.write(root);
  }

  /** One model, as of {@code /v1/models/NAME}. */
  public static byte[] model(String model, long created, int contextLength) {
    return Json.write(modelNode(model, created, contextLength));
  }

  private static ObjectNode modelNode(String model, long created, int contextLength) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", model)
        .put("object", "model")
        .put("created", created)
        .put("owned_by", "weir")
        .put("max_model_len", contextLength);
  }

  /** The sum of two requests' usage. */
  public static Usage sum(Usage a, Usage b) {
    return new Usage(
        a.promptTokens() + b.promptTokens(),
        a.cachedTokens() + b.cachedTokens(),
        a.outputTokens() + b.outputTokens());
  }

  static ObjectNode usage(Usage usage) {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("prompt_tokens", usage.promptTokens())
            .put("completion_tokens", usage.outputTokens())
            .put("total_tokens", usage.promptTokens() + usage.outputTokens());
    node.putObject("prompt_tokens_details").put("cached_tokens", usage.cachedTokens());
    return node;
  }

  /**
   * OpenAI's word for it.
   *
   * @throws IllegalArgumentException for a cancelled choice, which has no answer
   */
  static String finishReason(FinishReason reason) {
    return switch (reason) {
      case STOP -> "stop";
      case LENGTH -> "length";
      case TIMEOUT -> "timeout";
      case CANCELLED -> throw new IllegalArgumentException("a cancelled choice has no answer");
    };
  }

  private static ObjectNode root(ReplyHead head, String object) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", head.id())
        .put("object", object)
        .put("created", head.created())
        .put("model", head.model());
  }
}
