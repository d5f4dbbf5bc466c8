package dev.weir.tests.bench.load;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Reads the lines of one streamed answer, of {@code /v1/completions} or the chat endpoint. */
final class StreamReader {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String DATA = "data:";
  private static final String DONE = "[DONE]";

  private final StringBuilder text = new StringBuilder();
  private int[] ids = new int[0];
  private boolean complete;
  private @Nullable Failure failure;
  private int promptTokens;
  private int cachedTokens;
  private int outputTokens;

  /** Takes one line; whether it brought text. */
  boolean read(String line) {
    if (!line.startsWith(DATA)) {
      return false; // a comment (heartbeats are comments), an event's name, or the line between
    }
    String data = line.substring(DATA.length()).strip();
    if (data.equals(DONE)) {
      complete = true;
      return false;
    }
    JsonNode chunk = JSON.readTree(data);
    if (chunk.has("error")) {
      failure = new Failure(Failure.Kind.SERVER_ERROR, chunk.get("error").toString());
      return false;
    }
    JsonNode usage = chunk.path("usage");
    if (usage.isObject()) {
      promptTokens = usage.path("prompt_tokens").asInt(0);
      outputTokens = usage.path("completion_tokens").asInt(0);
      cachedTokens = usage.path("prompt_tokens_details").path("cached_tokens").asInt(0);
    }
    return readChoice(chunk.path("choices").path(0));
  }

  private boolean readChoice(JsonNode choice) {
    if (choice.path("finish_reason").asString("").equals("timeout")) {
      failure = new Failure(Failure.Kind.SERVER_TIMEOUT, "finish_reason: timeout");
    }
    JsonNode tokens = choice.path("token_ids");
    if (tokens.isArray()) {
      int[] more = tokens.valueStream().mapToInt(JsonNode::asInt).toArray();
      int before = ids.length;
      ids = Arrays.copyOf(ids, before + more.length);
      System.arraycopy(more, 0, ids, before, more.length);
    }
    JsonNode delta = choice.path("delta");
    String piece =
        choice.path("text").asString("")
            + delta.path("reasoning_content").asString("")
            + delta.path("content").asString("");
    text.append(piece);
    return !piece.isEmpty();
  }

  /** Whether the server said that nothing follows. */
  boolean complete() {
    return complete;
  }

  /** An error inside the stream; null if there was none. */
  @Nullable Failure failure() {
    return failure;
  }

  Prompt.Answer answer() {
    return new Prompt.Answer(text.toString(), ids);
  }

  /** Of the prompt, as the server counted; 0 if it did not say. */
  int promptTokens() {
    return promptTokens;
  }

  /** Prompt tokens that the server did not compute again; 0 if it did not say. */
  int cachedTokens() {
    return cachedTokens;
  }

  /** Of the answer, as the server counted; 0 if it did not say. */
  int outputTokens() {
    return outputTokens;
  }
}
