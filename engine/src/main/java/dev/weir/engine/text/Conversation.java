package dev.weir.engine.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template renders. Values are as JSON has them: null, Boolean, Integer, Long,
 * BigInteger, Double, String, List and Map; integers stay integers.
 *
 * @param messages in order, each with {@code role}, usually {@code content}, and whatever else the
 *     client sent ({@code tool_calls}, {@code reasoning_content}, ...)
 * @param tools the tool definitions; the template sees none where there are none
 * @param documents the documents to answer from; likewise
 * @param addGenerationPrompt whether the prompt ends with the start of the assistant's turn
 * @param continueFinalMessage whether the prompt ends inside the last message, so that the model
 *     goes on with it
 * @param extra further variables ({@code chat_template_kwargs}); they do not replace the above
 */
public record Conversation(
    List<? extends Map<String, ? extends @Nullable Object>> messages,
    List<? extends Map<String, ? extends @Nullable Object>> tools,
    List<? extends Map<String, ? extends @Nullable Object>> documents,
    boolean addGenerationPrompt,
    boolean continueFinalMessage,
    Map<String, ? extends @Nullable Object> extra) {

  public Conversation {
    messages = Collections.unmodifiableList(new ArrayList<>(messages));
    tools = Collections.unmodifiableList(new ArrayList<>(tools));
    documents = Collections.unmodifiableList(new ArrayList<>(documents));
    extra = Collections.unmodifiableMap(new LinkedHashMap<>(extra));
  }

  /** Messages to be answered, without tools. */
  public static Conversation of(List<? extends Map<String, ? extends @Nullable Object>> messages) {
    return new Conversation(messages, List.of(), List.of(), true, false, Map.of());
  }
}
