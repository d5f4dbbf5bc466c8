package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.SharedData;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Through HTTP, too, the real model goes on as its reference says, however many ask at once. */
class ReferenceOverHttpTest {
  private static final String MODEL = "models/stories260K";

  @ParameterizedTest(name = "{0} at once, {1} slots, steps of {2} tokens")
  @CsvSource({"1, 64, 512", "2, 64, 512", "64, 64, 512", "64, 7, 7", "64, 13, 77"})
  void everyAnswerIsTheReferenceColdAndWarm(int atOnce, int slots, int stepTokens)
      throws Exception {
    List<JsonNode> cases =
        JsonMapper.shared()
            .readTree(SharedData.require(MODEL + "/reference.json").toFile())
            .get("cases")
            .valueStream()
            .toList();
    EngineOptions options =
        EngineOptions.of(SharedData.require(MODEL)).withSlots(slots).withStepTokens(stepTokens);
    try (WeirUnderTest weir = WeirUnderTest.serve(options)) {
      for (boolean warm : new boolean[] {false, true}) {
        int requests = Math.max(atOnce, cases.size());
        List<Future<HttpResponse<String>>> answers = new ArrayList<>();
        try (ExecutorService clients =
            Executors.newFixedThreadPool(atOnce, Thread.ofVirtual().factory())) {
          for (int i = 0; i < requests; i++) {
            JsonNode one = cases.get(i % cases.size());
            Map<String, Object> body =
                Map.of(
                    "model",
                    WeirUnderTest.MODEL,
                    "prompt",
                    one.get("prompt_ids"),
                    "max_tokens",
                    512,
                    "temperature",
                    0,
                    "stream",
                    i % 3 == 0);
            answers.add(clients.submit(() -> weir.post("/v1/completions", body)));
          }
        }
        for (int i = 0; i < requests; i++) {
          JsonNode expected = cases.get(i % cases.size());
          HttpResponse<String> answer = answers.get(i).get();
          assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
          List<JsonNode> choices = i % 3 == 0 ? streamed(answer.body()) : whole(answer);
          assertThat(text(choices)).isEqualTo(expected.get("completion").asString());
          assertThat(choices.getLast().get("finish_reason").asString())
              .isEqualTo(expected.get("finish_reason").asString());
        }
        if (warm) {
          assertThat(weir.engine().stats().cachedTokens()).isPositive();
        }
      }
      assertThat(weir.engine().stats().heldBlocks()).isZero();
    }
  }

  private static List<JsonNode> whole(HttpResponse<String> answer) {
    return WeirUnderTest.json(answer).get("choices").valueStream().toList();
  }

  /** The choices of all chunks of a stream, which must end as OpenAI's do. */
  private static List<JsonNode> streamed(String body) {
    List<String> events = body.lines().filter(line -> !line.isEmpty()).toList();
    assertThat(events.getLast()).isEqualTo("data: [DONE]");
    return events.subList(0, events.size() - 1).stream()
        .map(event -> JsonMapper.shared().readTree(event.substring("data: ".length())))
        .flatMap(chunk -> chunk.get("choices").valueStream())
        .toList();
  }

  private static String text(List<JsonNode> choices) {
    StringBuilder text = new StringBuilder();
    choices.forEach(choice -> text.append(choice.get("text").asString()));
    return text.toString();
  }
}
