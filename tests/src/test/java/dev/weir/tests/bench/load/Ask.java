package dev.weir.tests.bench.load;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One request.
 *
 * @param temperature 0 draws the likeliest token
 * @param session sent as {@code X-Session-ID}; null for none
 */
record Ask(Prompt prompt, int maxTokens, double temperature, @Nullable String session) {

  static Ask of(Prompt prompt, int maxTokens) {
    return new Ask(prompt, maxTokens, 0, null);
  }

  /** The request's body for a server. */
  Map<String, Object> body(Target target) {
    Map<String, Object> body = new LinkedHashMap<>();
    body.put("model", target.model());
    prompt.into(body);
    body.put("max_tokens", maxTokens);
    body.put("temperature", temperature);
    body.put("stream", true);
    body.put("stream_options", Map.of("include_usage", true));
    body.putAll(target.extra());
    return body;
  }
}
