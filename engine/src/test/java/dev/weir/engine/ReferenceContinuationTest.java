package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.SharedData;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The real trained model goes on exactly as an independent implementation says. */
class ReferenceContinuationTest {
  private static final String MODEL = "models/stories260K";

  /**
   * Weights rounded to 16 bits move logits of this model by less than half of this; where the
   * reference's two best logits are further apart, the token must be the same.
   */
  private static final double CLEAR_MARGIN = 1.0;

  record Case(
      String prompt,
      int[] promptIds,
      int[] outputIds,
      double[] margins,
      String completion,
      FinishReason end) {

    static Case of(JsonNode json) {
      return new Case(
          json.get("prompt").asString(),
          ids(json.get("prompt_ids")),
          ids(json.get("output_ids")),
          json.get("steps").valueStream().mapToDouble(s -> s.get("margin").asDouble()).toArray(),
          json.get("completion").asString(),
          json.get("finish_reason").asString().equals("stop")
              ? FinishReason.STOP
              : FinishReason.LENGTH);
    }

    private static int[] ids(JsonNode json) {
      return json.valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    /** How many tokens come before the first that 16-bit weights may well choose differently. */
    int clearTokens() {
      int clear = 0;
      while (clear < outputIds.length && margins[clear] >= CLEAR_MARGIN) {
        clear++;
      }
      return clear;
    }
  }

  private static List<Case> cases() {
    JsonNode reference =
        JsonMapper.shared().readTree(SharedData.require(MODEL + "/reference.json").toFile());
    return reference.get("cases").valueStream().map(Case::of).toList();
  }

  private static List<Completion.Choice> continueAll(Engine engine, List<Case> cases)
      throws InterruptedException {
    List<Generation> generations = new ArrayList<>();
    for (Case one : cases) {
      generations.add(
          engine.submit(
              Request.of(Prompt.of(one.promptIds()), Sampling.greedy(Integer.MAX_VALUE))));
    }
    List<Completion.Choice> choices = new ArrayList<>();
    for (Generation generation : generations) {
      choices.add(generation.await().choices().getFirst());
    }
    return choices;
  }

  private static void assertReference(List<Completion.Choice> choices, List<Case> cases) {
    for (int i = 0; i < cases.size(); i++) {
      Completion.Choice choice = choices.get(i);
      Case expected = cases.get(i);
      int[] drawn = choice.tokenIds();
      int stops = choice.reason() == FinishReason.STOP ? 1 : 0;
      assertThat(Arrays.copyOf(drawn, drawn.length - stops))
          .as(expected.prompt())
          .isEqualTo(expected.outputIds());
      assertThat(choice.text()).isEqualTo(expected.completion());
      assertThat(choice.reason()).isEqualTo(expected.end());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void itSaysWhatTheReferenceSaysColdAndFromThePrefixIndex(String option)
      throws InterruptedException {
    DeviceChoice device = DeviceChoice.parse(option);
    assumeThat(device.equals(DeviceChoice.CPU) ? CpuDevice.unavailable() : Optional.empty())
        .as("skipped: no C kernels here")
        .isEmpty();
    List<Case> cases = cases();
    Path model = SharedData.require(MODEL);
    try (Engine engine = Engine.open(EngineOptions.of(model).withDevice(device))) {
      assertReference(continueAll(engine, cases), cases);
      assertReference(continueAll(engine, cases), cases);
      assertThat(engine.stats().heldBlocks()).isZero();
      assertThat(engine.stats().cachedTokens()).isPositive();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"sharded", "as-mistral", "as-phi3", "as-qwen2"})
  void theSameFunctionInAnotherFamilysFormSaysTheSame(String variant, @TempDir Path folder)
      throws IOException, InterruptedException {
    List<Case> cases = cases();
    try (Engine engine = Engine.open(EngineOptions.of(variant(variant, folder)))) {
      assertReference(continueAll(engine, cases), cases);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bf16", "f16"})
  void weightsOf16BitsSayTheSameWhileTheReferenceIsSure(String variant, @TempDir Path folder)
      throws IOException, InterruptedException {
    List<Case> cases = cases();
    try (Engine engine = Engine.open(EngineOptions.of(variant(variant, folder)))) {
      List<Completion.Choice> choices = continueAll(engine, cases);
      int compared = 0;
      for (int i = 0; i < cases.size(); i++) {
        int clear = cases.get(i).clearTokens();
        assertThat(Arrays.copyOf(choices.get(i).tokenIds(), clear))
            .as(cases.get(i).prompt())
            .isEqualTo(Arrays.copyOf(cases.get(i).outputIds(), clear));
        compared += clear;
      }
      assertThat(compared).as("tokens compared").isGreaterThan(cases.size());
    }
  }

  /**
   * A variant's weights and configuration, with the tokenizer of the model they are variants of.
   */
  private static Path variant(String name, Path folder) throws IOException {
    Path model = SharedData.require(MODEL);
    for (String file :
        List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json")) {
      Files.copy(model.resolve(file), folder.resolve(file));
    }
    try (Stream<Path> files = Files.list(model.resolve("variants").resolve(name))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    return folder;
  }
}
