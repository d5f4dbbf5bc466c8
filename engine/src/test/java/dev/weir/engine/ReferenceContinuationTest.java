package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.EngineOptions.DeviceChoice;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The real trained model goes on exactly as an independent implementation says. */
class ReferenceContinuationTest {

  record Case(
      String prompt, int[] promptIds, int[] outputIds, String completion, FinishReason end) {

    static Case of(JsonNode json) {
      return new Case(
          json.get("prompt").asString(),
          ids(json.get("prompt_ids")),
          ids(json.get("output_ids")),
          json.get("completion").asString(),
          json.get("finish_reason").asString().equals("stop")
              ? FinishReason.STOP
              : FinishReason.LENGTH);
    }

    private static int[] ids(JsonNode json) {
      return json.valueStream().mapToInt(JsonNode::asInt).toArray();
    }
  }

  private static List<Case> cases() {
    JsonNode reference =
        JsonMapper.shared()
            .readTree(SharedData.require("models/stories260K/reference.json").toFile());
    return reference.get("cases").valueStream().map(Case::of).toList();
  }

  @ParameterizedTest
  @EnumSource(
      value = DeviceChoice.class,
      names = {"CPU", "REFERENCE"})
  void givenARealModelWhenItGoesOnGreedilyThenItSaysWhatTheReferenceSays(DeviceChoice device)
      throws InterruptedException {
    List<Case> cases = cases();
    Path model = SharedData.require("models/stories260K");
    try (Engine engine = Engine.open(EngineOptions.of(model).withDevice(device))) {
      for (int round = 0; round < 2; round++) { // cold, then from the prefix index
        List<Generation> generations = new ArrayList<>();
        for (Case one : cases) {
          generations.add(
              engine.submit(
                  Request.of(Prompt.of(one.promptIds()), Sampling.greedy(Integer.MAX_VALUE))));
        }
        for (int i = 0; i < cases.size(); i++) {
          Completion completion = generations.get(i).await();
          Completion.Choice choice = completion.choices().getFirst();
          Case expected = cases.get(i);
          int[] drawn = choice.tokenIds();
          int[] untilStop =
              choice.reason() == FinishReason.STOP ? Arrays.copyOf(drawn, drawn.length - 1) : drawn;
          assertThat(untilStop).as(expected.prompt()).isEqualTo(expected.outputIds());
          assertThat(choice.text()).isEqualTo(expected.completion());
          assertThat(choice.reason()).isEqualTo(expected.end());
        }
      }
      assertThat(engine.stats().heldBlocks()).isZero();
      assertThat(engine.stats().cachedTokens()).isPositive();
    }
  }
}
