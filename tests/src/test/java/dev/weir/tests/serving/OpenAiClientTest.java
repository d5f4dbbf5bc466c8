package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import dev.weir.engine.EngineOptions;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** OpenAI's own client library talks to Weir unchanged; the demo model answers. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OpenAiClientTest {
  private WeirUnderTest weir;
  private OpenAIClient client;

  OpenAiClientTest() throws IOException {
    weir = WeirUnderTest.serve(EngineOptions.of(WeirUnderTest.demoModel()));
    client =
        OpenAIOkHttpClient.builder()
            .apiKey("none")
            .baseUrl(weir.uri("/v1").toString())
            .maxRetries(0)
            .build();
  }

  @BeforeAll
  void theServerIsUp() throws Exception {
    assertThat(weir.get("/health").statusCode()).isEqualTo(200);
  }

  @AfterAll
  void close() {
    client.close();
    weir.close();
  }

  private static ChatCompletionCreateParams.Builder ask(String question) {
    return ChatCompletionCreateParams.builder()
        .model(WeirUnderTest.MODEL)
        .temperature(0)
        .addUserMessage(question);
  }

  @Test
  void aQuestionIsAnswered() {
    ChatCompletion answer = client.chat().completions().create(ask("What is 12 + 30?").build());
    assertThat(answer.choices()).hasSize(1);
    assertThat(answer.choices().getFirst().message().content())
        .hasValueSatisfying(text -> assertThat(text).contains("42"));
    assertThat(answer.choices().getFirst().finishReason())
        .isEqualTo(ChatCompletion.Choice.FinishReason.STOP);
    assertThat(answer.usage())
        .hasValueSatisfying(
            usage -> {
              assertThat(usage.promptTokens()).isPositive();
              assertThat(usage.totalTokens())
                  .isEqualTo(usage.promptTokens() + usage.completionTokens());
            });
  }

  @Test
  void aStreamedAnswerIsTheWholeOneInPieces() {
    String question = "Tell me a short story.";
    String whole =
        client
            .chat()
            .completions()
            .create(ask(question).build())
            .choices()
            .getFirst()
            .message()
            .content()
            .orElseThrow();
    List<ChatCompletionChunk> chunks;
    try (StreamResponse<ChatCompletionChunk> stream =
        client
            .chat()
            .completions()
            .createStreaming(
                ask(question)
                    .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
                    .build())) {
      chunks = stream.stream().toList();
    }
    String joined =
        chunks.stream()
            .flatMap(chunk -> chunk.choices().stream())
            .map(choice -> choice.delta().content().orElse(""))
            .collect(Collectors.joining());
    assertThat(joined).isEqualTo(whole);
    assertThat(whole.split(" ")).as("a story").hasSizeGreaterThan(20);
    assertThat(chunks.size()).isGreaterThan(10);
    assertThat(chunks.getLast().usage()).isPresent();
  }

  @Test
  void textIsContinuedWithLogprobsAndSeveralChoices() {
    Completion completion =
        client
            .completions()
            .create(
                CompletionCreateParams.builder()
                    .model(WeirUnderTest.MODEL)
                    .prompt("Once upon a time")
                    .maxTokens(12)
                    .n(3)
                    .seed(4)
                    .logprobs(2)
                    .build());
    assertThat(completion.choices()).hasSize(3);
    completion
        .choices()
        .forEach(
            choice -> {
              assertThat(choice.logprobs()).isPresent();
              assertThat(choice.logprobs().orElseThrow().tokenLogprobs().orElseThrow())
                  .isNotEmpty()
                  .allSatisfy(logprob -> assertThat(logprob).isNotPositive());
            });
  }

  @Test
  void aBadValueIsAnErrorThatNamesTheField() {
    assertThatThrownBy(
            () -> client.chat().completions().create(ask("Hello").temperature(-1).build()))
        .isInstanceOf(BadRequestException.class)
        .hasMessageContaining("temperature");
  }

  @Test
  void aConversationLongerThanTheContextIsRefusedByTheNameOfWhatWasSent() throws Exception {
    var answer =
        weir.post(
            "/v1/chat/completions",
            Map.of("messages", List.of(Map.of("role", "user", "content", "cat ".repeat(2000)))));
    assertThat(answer.statusCode()).isEqualTo(400);
    assertThat(WeirUnderTest.json(answer).get("error").get("param").asString())
        .isEqualTo("messages");
    assertThat(WeirUnderTest.json(answer).get("error").get("message").asString()).contains("1024");
  }

  @Test
  void theModelIsListed() {
    assertThat(client.models().list().data()).hasSize(1);
    assertThat(client.models().list().data().getFirst().id()).isEqualTo(WeirUnderTest.MODEL);
  }
}
