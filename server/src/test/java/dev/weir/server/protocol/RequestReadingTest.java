package dev.weir.server.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Requests: what is read, what defaults, what is refused and how the refusal names the place. */
final class RequestReadingTest {
  private static final SamplingDefaults DEFAULTS =
      new SamplingDefaults(0.6f, 20, 0.95f, 0.1f, 1.1f);
  private static final ModelFacts MODEL = new ModelFacts(1000, 64, 2, DEFAULTS);

  private static byte[] utf8(String json) {
    return json.getBytes(StandardCharsets.UTF_8);
  }

  private static CompletionRequest completion(String fields) {
    return CompletionRequest.read(utf8("{\"prompt\":\"a\"" + fields + "}"), Headers.NONE, MODEL);
  }

  private static ChatRequest chat(String fields) {
    return ChatRequest.read(
        utf8("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]" + fields + "}"),
        Headers.NONE,
        MODEL);
  }

  @Test
  void whatARequestLeavesOutOrSetsToNullIsTheModelsDefault() {
    for (String fields :
        List.of(
            "",
            ",\"temperature\":null,\"top_k\":null,\"top_p\":null,\"min_p\":null,\"stop\":null,"
                + "\"logit_bias\":null,\"seed\":null,\"n\":null,\"stream\":null,\"suffix\":null,"
                + "\"stream_options\":null,\"repetition_penalty\":null,\"best_of\":null,"
                + "\"max_tokens\":null,\"logprobs\":null,\"response_format\":null")) {
      CompletionRequest request = completion(fields);
      assertThat(request.sampling())
          .isEqualTo(
              Sampling.builder()
                  .temperature(0.6f)
                  .topK(20)
                  .topP(0.95f)
                  .minP(0.1f)
                  .repetitionPenalty(1.1f)
                  .build());
      assertThat(request.choices()).isOne();
      assertThat(request.form().stream()).isFalse();
    }
    assertThat(chat("").sampling().maxTokens()).as("a chat may fill the context").isEqualTo(64);
  }

  @Test
  void everyFieldIsRead() {
    CompletionRequest request =
        completion(
            ",\"model\":\"m\",\"temperature\":0,\"top_k\":-1,\"top_p\":0.5,\"min_p\":0,"
                + "\"repetition_penalty\":1,\"presence_penalty\":-2,\"frequency_penalty\":2,"
                + "\"logit_bias\":{\"5\":-100,\"999\":1.5},\"seed\":-3,\"max_tokens\":9,"
                + "\"min_tokens\":2,\"stop\":[\"x\",\"yz\"],\"stop_token_ids\":[4],\"ignore_eos\":true,"
                + "\"logprobs\":20,\"n\":3,\"best_of\":3,\"stream\":true,"
                + "\"stream_options\":{\"include_usage\":true},\"skip_special_tokens\":false,"
                + "\"response_format\":{\"type\":\"text\"},\"suffix\":\"\"");
    assertThat(request)
        .isEqualTo(
            new CompletionRequest(
                "m",
                List.of(new Prompt.Text("a", true)),
                new Sampling(
                    0,
                    0,
                    0.5f,
                    0,
                    1,
                    -2,
                    2,
                    Map.of(5, -100f, 999, 1.5f),
                    OptionalLong.of(-3),
                    9,
                    2,
                    List.of(4),
                    List.of("x", "yz"),
                    true,
                    20),
                3,
                false,
                false,
                Terms.DEFAULT,
                new ReplyForm(true, true, false, false, Optional.empty())));
  }

  @Test
  void logprobsAreANumberInCompletionsAndAFlagWithANumberInChats() {
    assertThat(completion(",\"logprobs\":true").sampling().logprobs()).isZero();
    assertThat(completion(",\"logprobs\":false").sampling().logprobs())
        .isEqualTo(Sampling.NO_LOGPROBS);
    assertThat(chat(",\"logprobs\":true").sampling().logprobs()).isZero();
    assertThat(chat(",\"logprobs\":true,\"top_logprobs\":7").sampling().logprobs()).isEqualTo(7);
    assertThat(chat(",\"logprobs\":false,\"top_logprobs\":0").sampling().logprobs())
        .isEqualTo(Sampling.NO_LOGPROBS);
  }

  @Test
  void theNewerNameOfTheTokenLimitWins() {
    assertThat(chat(",\"max_tokens\":5,\"max_completion_tokens\":6").sampling().maxTokens())
        .isEqualTo(6);
  }

  @Test
  void aChatThatContinuesItsLastMessageStartsNoNewOne() {
    ChatPrompt prompt = chat(",\"continue_final_message\":true").prompt();
    assertThat(prompt.continueFinalMessage()).isTrue();
    assertThat(prompt.addGenerationPrompt()).isFalse();
  }

  @Test
  void toolChoiceNoneHidesTheToolsFromTheTemplate() {
    String tools = ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]";
    assertThat(chat(tools).prompt().tools()).hasSize(1);
    assertThat(chat(tools + ",\"tool_choice\":\"auto\"").prompt().tools()).hasSize(1);
    assertThat(chat(tools + ",\"tool_choice\":\"none\"").prompt().tools()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "temperature          | \"temperature\":\"hot\"             | is a string; it must be a number",
        "temperature          | \"temperature\":-0.1                | from 0 to",
        "temperature          | \"temperature\":1e39                | too large",
        "top_p                | \"top_p\":1.5                       | above 0 and at most 1",
        "top_p                | \"top_p\":true                      | is a boolean",
        "top_k                | \"top_k\":-5                        | at least 0",
        "top_k                | \"top_k\":1.5                       | whole number",
        "min_p                | \"min_p\":[0.1]                     | is an array",
        "repetition_penalty   | \"repetition_penalty\":0            | above 0",
        "presence_penalty     | \"presence_penalty\":3              | from -2 to 2",
        "frequency_penalty    | \"frequency_penalty\":-1e9          | from -2 to 2",
        "max_tokens           | \"max_tokens\":-1                   | at least 1",
        "max_tokens           | \"max_tokens\":0                    | at least 1",
        "max_tokens           | \"max_tokens\":9223372036854775808  | out of range",
        "min_tokens           | \"min_tokens\":17                   | from 0 to max_tokens",
        "n                    | \"n\":0                             | from 1 to 128",
        "n                    | \"n\":1000000                       | from 1 to 128",
        "best_of              | \"best_of\":2                       | not supported yet",
        "seed                 | \"seed\":1180591620717411303424     | out of range",
        "seed                 | \"seed\":\"1\"                      | is a string",
        "stop                 | \"stop\":7                          | a string or an array",
        "stop                 | \"stop\":[\"\"]                     | length 0",
        "stop[1]              | \"stop\":[\"a\",1]                  | is a number",
        "stop                 | \"stop\":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8] | at most 16",
        "stop_token_ids[1]    | \"stop_token_ids\":[1,1000]         | from 0 to 999",
        "logit_bias           | \"logit_bias\":{\"1000\":1}         | from 0 to 999",
        "logit_bias           | \"logit_bias\":{\"-1\":1}           | from 0 to 999",
        "logit_bias           | \"logit_bias\":{\"one\":1}          | from 0 to 999",
        "logit_bias           | \"logit_bias\":[1]                  | an object",
        "logit_bias.1         | \"logit_bias\":{\"1\":101}          | from -100 to 100",
        "logit_bias.1         | \"logit_bias\":{\"1\":\"x\"}        | is a string",
        "logprobs             | \"logprobs\":21                     | from 0 to 20",
        "echo                 | \"echo\":true,\"logprobs\":1        | not supported yet",
        "suffix               | \"suffix\":\"b\"                    | not supported yet",
        "stream               | \"stream\":\"yes\"                  | true or false",
        "stream_options       | \"stream_options\":{}               | where stream is true",
        "response_format.type | \"response_format\":{\"type\":\"json_object\"} | not supported yet",
        "response_format.type | \"response_format\":{}              | is required",
        "guided_json          | \"guided_json\":{}                  | not supported yet",
        "prompt_embeds        | \"prompt_embeds\":\"x\"             | not supported yet",
        "model                | \"model\":7                         | is a number",
      })
  void aWrongFieldOfACompletionIsNamed(String param, String fields, String message) {
    assertThatThrownBy(() -> completion("," + fields))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.param()).isEqualTo(param))
        .satisfies(e -> assertThat(e.status()).isEqualTo(400))
        .satisfies(e -> assertThat(e).hasMessageContaining(message));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "prompt       | {}                          | is required",
        "prompt       | {\"prompt\":null}           | is required",
        "prompt       | {\"prompt\":5}              | is a number",
        "prompt       | {\"prompt\":[]}             | empty array",
        "prompt[1]    | {\"prompt\":[1,\"a\"]}      | is a string",
        "prompt[1]    | {\"prompt\":[1,-1]}         | from 0 to 999",
        "prompt[0]    | {\"prompt\":[999999999]}    | from 0 to 999",
        "prompt[1]    | {\"prompt\":[\"a\",1]}      | is a number",
        "prompt[0]    | {\"prompt\":[[]]}           | is empty",
        "prompt[1][2] | {\"prompt\":[[1],[1,2,3.5]]} | whole number",
        "prompt[0]    | {\"prompt\":[null]}         | is null",
        "n            | {\"prompt\":[\"a\",\"b\"],\"n\":65} | at most 128",
      })
  void aWrongPromptIsNamed(String param, String json, String message) {
    assertThatThrownBy(() -> CompletionRequest.read(utf8(json), Headers.NONE, MODEL))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.param()).isEqualTo(param))
        .satisfies(e -> assertThat(e).hasMessageContaining(message));
  }

  @Test
  void aPromptLongerThanTheContextIsRefusedByItsCount() {
    String ids = "[" + "1,".repeat(64) + "1]";
    assertThatThrownBy(
            () -> CompletionRequest.read(utf8("{\"prompt\":" + ids + "}"), Headers.NONE, MODEL))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.code()).isEqualTo("context_length_exceeded"))
        .satisfies(e -> assertThat(e).hasMessageContaining("65 tokens").hasMessageContaining("64"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "messages            | {}                                                | is required",
        "messages            | {\"messages\":[]}                                 | is empty",
        "messages            | {\"messages\":\"hi\"}                             | is a string",
        "messages[0]         | {\"messages\":[\"hi\"]}                           | is a string",
        "messages[0].role    | {\"messages\":[{\"content\":\"a\"}]}              | is required",
        "messages[0].role    | {\"messages\":[{\"role\":\"evil\",\"content\":\"a\"}]} | \"evil\"",
        "messages[0].content | {\"messages\":[{\"role\":\"user\"}]}              | is required",
        "messages[0].content | {\"messages\":[{\"role\":\"user\",\"content\":5}]} | is a number",
        "messages[0].content[0].type | {\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]} | only text",
        "messages[0].content[0].text | {\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]} | is required",
        "messages[0].tool_calls | {\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[]}]} | assistant",
        "messages[0].tool_calls[0].function.arguments | {\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}]} | JSON object",
      })
  void aWrongMessageIsNamed(String param, String json, String message) {
    assertThatThrownBy(() -> ChatRequest.read(utf8(json), Headers.NONE, MODEL))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.param()).isEqualTo(param))
        .satisfies(e -> assertThat(e).hasMessageContaining(message));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "tools                  | \"tools\":{}                             | is an object",
        "tools[0].type          | \"tools\":[{\"type\":\"retrieval\"}]     | not supported yet",
        "tools[0].function.name | \"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b/../c\"}}] | letters",
        "tools[0].function.parameters.properties.x.type | \"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"x\":{\"type\":\"evil\"}}}}}] | no type",
        "tools[0].function.parameters.items.pattern | \"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"items\":{\"pattern\":\"([\"}}}}] | regular expression",
        "tool_choice            | \"tool_choice\":\"required\"             | not supported yet",
        "tool_choice            | \"tool_choice\":{\"type\":\"function\"}  | not supported yet",
        "tool_choice            | \"tool_choice\":\"maybe\"                | must be",
        "top_logprobs           | \"top_logprobs\":3                       | where logprobs is true",
        "top_logprobs           | \"logprobs\":true,\"top_logprobs\":21    | from 0 to 20",
        "logprobs               | \"logprobs\":5                           | true or false",
        "functions              | \"functions\":[]                         | use tools",
        "chat_template          | \"chat_template\":\"x\"                  | own template",
        "chat_template_kwargs.messages | \"chat_template_kwargs\":{\"messages\":[]} | must not set",
        "chat_template_kwargs   | \"chat_template_kwargs\":[]              | an object",
        "continue_final_message | \"continue_final_message\":true,\"add_generation_prompt\":true | exclude each other",
        "documents[0]           | \"documents\":[\"a\"]                   | is a string",
        "modalities             | \"modalities\":[\"audio\"]               | not supported yet",
        "max_completion_tokens  | \"max_completion_tokens\":0              | at least 1",
      })
  void aWrongFieldOfAChatIsNamed(String param, String fields, String message) {
    assertThatThrownBy(() -> chat("," + fields))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.param()).isEqualTo(param))
        .satisfies(e -> assertThat(e).hasMessageContaining(message));
  }
}
