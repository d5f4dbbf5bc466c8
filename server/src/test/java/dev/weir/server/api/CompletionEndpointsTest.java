package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.server.protocol.ChatPrompt;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The two completion endpoints, as a client sees them. */
final class CompletionEndpointsTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String COMPLETIONS = "/v1/completions";
  private static final String ASK =
      "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"scripted/model\"";
  private static final String REPLY_0 = ScriptedModel.REPLY + 0;
  private static final int REPLY_TOKENS = REPLY_0.length();

  @SuppressWarnings("NullAway.Init")
  private ApiFixture api;

  @BeforeEach
  void serve() throws IOException {
    api = new ApiFixture();
  }

  @AfterEach
  void stop() {
    api.close();
  }

  private JsonNode ok(String path, String json) throws Exception {
    HttpResponse<String> response = api.post(path, json);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return ApiFixture.parse(response.body());
  }

  private JsonNode error(int status, String path, String json) throws Exception {
    HttpResponse<String> response = api.post(path, json);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    JsonNode error = ApiFixture.parse(response.body()).get("error");
    assertThat(error.propertyNames()).containsExactlyInAnyOrder("message", "type", "param", "code");
    return error;
  }

  @Test
  void aChatIsAnsweredInOpenAisShape() throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    JsonNode reply = ok(CHAT, "{%s,\"n\":2,\"logprobs\":true,\"top_logprobs\":2}".formatted(ASK));
    assertThat(schema.problems("CreateChatCompletionResponse", reply)).isEmpty();
    JsonNode plain = ok(CHAT, "{%s,\"max_tokens\":3}".formatted(ASK));
    assertThat(schema.problems("CreateChatCompletionResponse", plain)).isEmpty();
  }

  @Test
  void aChatReplyTellsTextReasonAndUsageOfEachChoice() throws Exception {
    JsonNode reply = ok(CHAT, "{%s,\"n\":2}".formatted(ASK));
    assertThat(reply.at("/choices/0/message/content").stringValue()).isEqualTo(REPLY_0);
    assertThat(reply.at("/choices/1/message/content").stringValue())
        .isEqualTo(ScriptedModel.REPLY + 1);
    assertThat(reply.at("/choices/1/index").intValue()).isEqualTo(1);
    assertThat(reply.at("/choices/1/finish_reason").stringValue()).isEqualTo("stop");
    int prompt = reply.at("/usage/prompt_tokens").intValue();
    assertThat(reply.at("/usage/completion_tokens").intValue()).isEqualTo(2 * REPLY_TOKENS);
    assertThat(reply.at("/usage/total_tokens").intValue()).isEqualTo(prompt + 2 * REPLY_TOKENS);
    assertThat(reply.at("/usage/prompt_tokens_details/cached_tokens").intValue()).isEqualTo(1);

    JsonNode cut = ok(CHAT, "{%s,\"max_completion_tokens\":3}".formatted(ASK));
    assertThat(cut.at("/choices/0/message/content").stringValue()).isEqualTo("Wé ");
    assertThat(cut.at("/choices/0/finish_reason").stringValue()).isEqualTo("length");
  }

  @Test
  void chatLogprobsTellTheTokenItsBytesAndTheAlternatives() throws Exception {
    JsonNode reply = ok(CHAT, "{%s,\"logprobs\":true,\"top_logprobs\":2}".formatted(ASK));
    JsonNode content = reply.at("/choices/0/logprobs/content");
    assertThat(content).hasSize(REPLY_TOKENS);
    JsonNode second = content.get(1);
    assertThat(second.get("token").stringValue()).isEqualTo("é");
    assertThat(second.get("bytes").toString()).isEqualTo("[195,169]");
    assertThat(second.get("logprob").doubleValue()).isEqualTo(-0.25);
    assertThat(second.at("/top_logprobs/0/token").stringValue()).isEqualTo("a");
    // Minus infinity has no JSON.
    assertThat(second.at("/top_logprobs/1/logprob").doubleValue()).isEqualTo(-9999);
  }

  @Test
  void aChatStreamsItsRoleThenItsTextThenItsReasonThenItsUsageThenTheEnd() throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    for (String logprobs : List.of("", ",\"logprobs\":true,\"top_logprobs\":1")) {
      List<String> events =
          api.stream(
              CHAT,
              "{%s,\"n\":2,\"stream\":true,\"stream_options\":{\"include_usage\":true}%s}"
                  .formatted(ASK, logprobs));
      assertThat(events.getLast()).isEqualTo("[DONE]");
      List<JsonNode> chunks = new ArrayList<>();
      for (String event : events.subList(0, events.size() - 1)) {
        JsonNode chunk = ApiFixture.parse(event);
        // The description's prose wants "usage": null here, its schema forgot that.
        assertThat(schema.problems("CreateChatCompletionStreamResponse", withoutNullUsage(chunk)))
            .isEmpty();
        assertThat(chunk.get("id")).isEqualTo(ApiFixture.parse(events.getFirst()).get("id"));
        chunks.add(chunk);
      }
      JsonNode usage = chunks.removeLast();
      assertThat(usage.get("choices")).isEmpty();
      assertThat(usage.at("/usage/completion_tokens").intValue()).isEqualTo(2 * REPLY_TOKENS);
      assertThat(chunks).allMatch(chunk -> chunk.get("usage").isNull());
      for (int choice = 0; choice < 2; choice++) {
        int index = choice;
        List<JsonNode> own =
            chunks.stream()
                .map(chunk -> chunk.at("/choices/0"))
                .filter(c -> c.get("index").intValue() == index)
                .toList();
        assertThat(own.getFirst().at("/delta/role").stringValue()).isEqualTo("assistant");
        assertThat(own.getLast().at("/finish_reason").stringValue()).isEqualTo("stop");
        assertThat(own.getLast().get("delta")).isEmpty();
        StringBuilder text = new StringBuilder();
        for (JsonNode chunk : own.subList(1, own.size() - 1)) {
          assertThat(chunk.get("finish_reason").isNull()).isTrue();
          text.append(chunk.at("/delta/content").stringValue());
          assertThat(chunk.at("/logprobs/content/0").isObject()).isEqualTo(!logprobs.isEmpty());
        }
        assertThat(text.toString()).isEqualTo(ScriptedModel.REPLY + choice);
      }
    }
  }

  private static JsonNode withoutNullUsage(JsonNode chunk) {
    return chunk.path("usage").isNull() ? ((ObjectNode) chunk.deepCopy()).without("usage") : chunk;
  }

  @Test
  void withoutBeingAskedAStreamTellsNoUsage() throws Exception {
    List<String> events = api.stream(CHAT, "{%s,\"stream\":true}".formatted(ASK));
    assertThat(events).noneMatch(event -> event.contains("usage"));
  }

  @Test
  void aCompletionIsAnsweredInOpenAisShape() throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    for (String more :
        List.of("", ",\"logprobs\":2", ",\"logprobs\":0", ",\"echo\":true,\"n\":3")) {
      JsonNode reply = ok(COMPLETIONS, "{\"prompt\":\"ab\"%s}".formatted(more));
      assertThat(schema.problems("CreateCompletionResponse", reply)).as(more).isEmpty();
    }
  }

  @Test
  void severalPromptsAndChoicesAreNumberedPromptByPrompt() throws Exception {
    JsonNode reply =
        ok(COMPLETIONS, "{\"prompt\":[\"ab\",\"c\"],\"n\":2,\"echo\":true,\"max_tokens\":100}");
    List<String> texts = new ArrayList<>();
    for (JsonNode choice : reply.get("choices")) {
      assertThat(choice.get("index").intValue()).isEqualTo(texts.size());
      texts.add(choice.get("text").stringValue());
    }
    assertThat(texts)
        .containsExactly(
            "ab" + REPLY_0,
            "ab" + ScriptedModel.REPLY + 1,
            "c" + REPLY_0,
            "c" + ScriptedModel.REPLY + 1);
    assertThat(reply.at("/usage/prompt_tokens").intValue()).isEqualTo(3);
    assertThat(reply.at("/usage/completion_tokens").intValue()).isEqualTo(4 * REPLY_TOKENS);
  }

  @Test
  void severalPromptsStreamSideBySide() throws Exception {
    List<String> events =
        api.stream(
            COMPLETIONS,
            "{\"prompt\":[[97,98],[99]],\"n\":2,\"echo\":true,\"stream\":true,\"max_tokens\":100,"
                + "\"stream_options\":{\"include_usage\":true}}");
    assertThat(events.getLast()).isEqualTo("[DONE]");
    TreeMap<Integer, String> texts = new TreeMap<>();
    TreeMap<Integer, String> reasons = new TreeMap<>();
    for (String event : events.subList(0, events.size() - 2)) {
      JsonNode choice = ApiFixture.parse(event).at("/choices/0");
      int index = choice.get("index").intValue();
      assertThat(reasons).as("nothing follows a choice's last chunk").doesNotContainKey(index);
      texts.merge(index, choice.get("text").stringValue(), String::concat);
      if (!choice.get("finish_reason").isNull()) {
        reasons.put(index, choice.get("finish_reason").stringValue());
      }
    }
    assertThat(texts.values())
        .containsExactly(
            "ab" + REPLY_0,
            "ab" + ScriptedModel.REPLY + 1,
            "c" + REPLY_0,
            "c" + ScriptedModel.REPLY + 1);
    assertThat(reasons.values()).containsOnly("stop").hasSize(4);
    assertThat(
            ApiFixture.parse(events.get(events.size() - 2)).at("/usage/prompt_tokens").intValue())
        .isEqualTo(3);
  }

  @Test
  void completionLogprobsHaveOpenAisOlderShape() throws Exception {
    JsonNode logprobs =
        ok(COMPLETIONS, "{\"prompt\":\"ab\",\"logprobs\":1,\"max_tokens\":2}")
            .at("/choices/0/logprobs");
    assertThat(logprobs.toString())
        .isEqualTo(
            "{\"tokens\":[\"W\",\"é\"],\"token_logprobs\":[-0.25,-0.25],"
                + "\"top_logprobs\":[{\"a\":-0.5,\"W\":-0.25},{\"a\":-0.5,\"é\":-0.25}],"
                + "\"text_offset\":[0,1]}");
    List<String> events =
        api.stream(
            COMPLETIONS, "{\"prompt\":\"ab\",\"logprobs\":1,\"max_tokens\":2,\"stream\":true}");
    assertThat(ApiFixture.parse(events.get(1)).at("/choices/0/logprobs/text_offset/0").intValue())
        .isEqualTo(1);
  }

  @Test
  void tokenIdPromptsReachTheEngineUnchanged() throws Exception {
    ok(COMPLETIONS, "{\"prompt\":[5,6,7]}");
    Request request = Objects.requireNonNull(api.model.submitted.poll(1, TimeUnit.MINUTES));
    assertThat(((Prompt.Tokens) request.prompt()).ids()).containsExactly(5, 6, 7);
  }

  @Test
  void theTemplateSeesMessagesToolsAndExtras() throws Exception {
    ok(
        CHAT,
        """
        {"messages":[
           {"role":"developer","content":"rules"},
           {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"u"},
           {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
             {"id":"1","type":"function","function":{"name":"f","arguments":"{\\"x\\": 1}"}}]},
           {"role":"tool","tool_call_id":"1","content":"2"}],
         "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
         "chat_template_kwargs":{"enable_thinking":false},"unknown_field":1,"user":"me"}
        """);
    Map<String, Object> call =
        Map.of(
            "id", "1",
            "type", "function",
            "function", Map.of("name", "f", "arguments", Map.of("x", 1L)));
    ChatPrompt chat = Objects.requireNonNull(api.model.chat);
    assertThat(chat.extra()).isEqualTo(Map.of("enable_thinking", false));
    assertThat(chat.addGenerationPrompt()).isTrue();
    assertThat(chat.messages())
        .isEqualTo(
            List.of(
                Map.of("role", "system", "content", "rules"),
                Map.of("role", "user", "content", "a\nb", "name", "u"),
                Map.of(
                    "role", "assistant",
                    "content", "",
                    "reasoning_content", "hm",
                    "tool_calls", List.of(call)),
                Map.of("role", "tool", "content", "2", "tool_call_id", "1")));
    assertThat(chat.tools())
        .isEqualTo(
            List.of(
                Map.of(
                    "type",
                    "function",
                    "function",
                    Map.of("name", "f", "parameters", Map.of("type", "object")))));
  }

  @ParameterizedTest
  @ValueSource(strings = {"true", "false"})
  void aClientThatLeavesCancelsItsRequest(String stream) throws Exception {
    api.model.gate = new CountDownLatch(1);
    byte[] body =
        "{\"prompt\":[[1],[2]],\"stream\":%s}".formatted(stream).getBytes(StandardCharsets.UTF_8);
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), api.server.port())) {
      socket
          .getOutputStream()
          .write(
              ("POST /v1/completions HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n"
                          .formatted(body.length)
                      + new String(body, StandardCharsets.UTF_8))
                  .getBytes(StandardCharsets.UTF_8));
      assertThat(api.model.submitted.poll(1, TimeUnit.MINUTES)).isNotNull();
      assertThat(api.model.submitted.poll(1, TimeUnit.MINUTES)).isNotNull();
    }
    assertThat(api.model.cancelled.poll(1, TimeUnit.MINUTES)).isNotNull();
    assertThat(api.model.cancelled.poll(1, TimeUnit.MINUTES)).isNotNull();
    api.model.gate = null;
    ok(COMPLETIONS, "{\"prompt\":\"next\"}");
  }

  @Test
  void theEnginesErrorsReachTheClientTyped() throws Exception {
    api.model.refusal = new OverloadedException("the queue is full", 7);
    HttpResponse<String> full = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(full.statusCode()).isEqualTo(429);
    assertThat(full.headers().firstValue("retry-after")).contains("7");
    api.model.refusal = new InvalidRequestException("prompt", "the prompt is too long");
    assertThat(error(400, COMPLETIONS, "{\"prompt\":\"long\"}").get("param").stringValue())
        .isEqualTo("prompt");
    assertThat(error(400, CHAT, "{%s}".formatted(ASK)).get("param").stringValue())
        .isEqualTo("messages");
    api.model.refusal = new EngineClosedException();
    error(503, CHAT, "{%s}".formatted(ASK));
    api.model.refusal = new IllegalStateException("a fault of ours, on purpose");
    assertThat(error(500, CHAT, "{%s}".formatted(ASK)).get("message").stringValue())
        .doesNotContain("fault of ours");
  }

  @Test
  void aRequestThatFailsInTheEngineIsAnErrorAndNeverANormalEnd() throws Exception {
    api.model.failAfter = 2;
    assertThat(error(500, CHAT, "{%s}".formatted(ASK)).get("code").stringValue())
        .isEqualTo("request_failed");
    List<String> events = api.stream(CHAT, "{%s,\"stream\":true}".formatted(ASK));
    assertThat(events).doesNotContain("[DONE]").noneMatch(e -> e.contains("\"stop\""));
    assertThat(ApiFixture.parse(events.getLast()).at("/error/code").stringValue())
        .isEqualTo("request_failed");
    events = api.stream(COMPLETIONS, "{\"prompt\":[\"a\",\"b\"],\"stream\":true}");
    assertThat(ApiFixture.parse(events.getLast()).at("/error/code").stringValue())
        .isEqualTo("request_failed");
  }

  @Test
  void anotherModelIsNotFound() throws Exception {
    JsonNode error = error(404, COMPLETIONS, "{\"model\":\"../../etc/passwd\",\"prompt\":\"a\"}");
    assertThat(error.get("code").stringValue()).isEqualTo("model_not_found");
    assertThat(error.get("param").stringValue()).isEqualTo("model");
  }

  @Test
  void aStreamThatEndsInAFaultOfOursIsCutAndNotEnded() throws Exception {
    api.model.failAfter = 2;
    api.model.failure = () -> new IllegalStateException("on purpose");
    assertThatThrownBy(() -> api.post(CHAT, "{%s,\"stream\":true}".formatted(ASK)))
        .isInstanceOf(IOException.class);
  }
}
