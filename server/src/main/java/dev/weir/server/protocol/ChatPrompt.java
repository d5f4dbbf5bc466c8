package dev.weir.server.protocol;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template renders, out of a request; plain Java values as JSON has them.
 *
 * @param messages at least one, each with a role and content
 * @param tools the tools that the template may show; possibly none
 * @param documents the documents that it may show; possibly none
 * @param addGenerationPrompt whether the prompt ends with the start of the assistant's turn
 * @param continueFinalMessage whether the prompt ends inside the last message
 * @param extra the request's {@code chat_template_kwargs}
 */
public record ChatPrompt(
    List<Map<String, @Nullable Object>> messages,
    List<Map<String, @Nullable Object>> tools,
    List<Map<String, @Nullable Object>> documents,
    boolean addGenerationPrompt,
    boolean continueFinalMessage,
    Map<String, @Nullable Object> extra) {}
