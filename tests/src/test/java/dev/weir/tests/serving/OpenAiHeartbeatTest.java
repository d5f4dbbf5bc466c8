package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.HttpResponseFor;
import com.openai.core.http.StreamResponse;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.server.api.Heartbeats;
import dev.weir.server.protocol.ReplyForm;
import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** OpenAI's own client library takes heartbeats for what they are: nothing. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OpenAiHeartbeatTest {
  private final WeirUnderTest weir;
  private final OpenAIClient client;

  OpenAiHeartbeatTest() throws IOException {
    weir =
        WeirUnderTest.serve(
            EngineOptions.of(WeirUnderTest.demoModel()).withSlots(1),
            new Heartbeats(ReplyForm.MIN_HEARTBEAT, true));
    client =
        OpenAIOkHttpClient.builder()
            .apiKey("none")
            .baseUrl(weir.uri("/v1").toString())
            .maxRetries(0)
            .build();
  }

  @AfterAll
  void close() {
    client.close();
    weir.close();
  }

  private static ChatCompletionCreateParams.Builder question() {
    return ChatCompletionCreateParams.builder()
        .model(WeirUnderTest.MODEL)
        .temperature(0)
        .addUserMessage("What is 12 + 30?");
  }

  /** Work that the only slot does first: there is always another long request before the next. */
  private final class Busy implements AutoCloseable {
    private final Thread thread = Thread.ofVirtual().start(this::work);

    private void work() {
      Sampling whole = Sampling.builder().temperature(0).maxTokens(1000).ignoreEos(true).build();
      Request request = Request.of(Prompt.of("Once upon a time"), whole);
      Generation ahead = weir.engine().submit(request);
      Generation next = weir.engine().submit(request);
      try {
        while (true) {
          ahead.await();
          ahead = next;
          next = weir.engine().submit(request);
        }
      } catch (InterruptedException e) {
        ahead.cancel();
        next.cancel();
      }
    }

    @Override
    public void close() {
      thread.interrupt();
    }
  }

  @Test
  void aReplyBehindWhiteSpaceIsRead() {
    try (Busy _ = new Busy();
        HttpResponseFor<ChatCompletion> response =
            client.chat().completions().withRawResponse().create(question().build())) {
      assertThat(response.headers().values("transfer-encoding"))
          .as("it began before it was there")
          .containsExactly("chunked");
      assertThat(response.parse().choices().getFirst().message().content())
          .hasValueSatisfying(text -> assertThat(text).contains("42"));
    }
  }

  @Test
  void aStreamWithHeartbeatsProgressAndAccountIsRead() {
    ChatCompletionStreamOptions options =
        ChatCompletionStreamOptions.builder()
            .includeUsage(true)
            .putAdditionalProperty("include_progress", JsonValue.from(true))
            .build();
    List<ChatCompletionChunk> chunks;
    try (Busy _ = new Busy();
        StreamResponse<ChatCompletionChunk> stream =
            client
                .chat()
                .completions()
                .createStreaming(
                    question()
                        .streamOptions(options)
                        .putAdditionalBodyProperty("include_account", JsonValue.from(true))
                        .build())) {
      chunks = stream.stream().toList();
    }
    String text =
        chunks.stream()
            .flatMap(chunk -> chunk.choices().stream())
            .map(choice -> choice.delta().content().orElse(""))
            .collect(Collectors.joining());
    assertThat(text).contains("42");
    assertThat(chunks.getLast().usage()).isPresent();
    assertThat(chunks.getLast().toString()).contains("recomputed_tokens");
  }
}
