package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Every family and every form of rotary scaling computes what Hugging Face transformers computes.
 * The expected numbers in {@code families.json} were printed by transformers 5.18.0 on torch 2.13.0
 * in float32, from the very weights that {@link TinyModel} writes.
 */
class FamilyTest {
  private static final long SEED = 3;

  /** Two float32 implementations that add in different orders; logits are of order ten. */
  private static final double TOLERANCE = 2e-3;

  static Stream<String> names() throws IOException {
    return families().valueStream().map(family -> family.get("name").asString());
  }

  private static JsonNode families() throws IOException {
    try (InputStream in = FamilyTest.class.getResourceAsStream("families.json")) {
      return JsonMapper.shared().readTree(in);
    }
  }

  /**
   * The model of one entry: a hundred tokens of prompt, so that windows close and scalings show.
   */
  static Path write(Path folder, JsonNode family) {
    Map<String, Object> fields =
        JsonMapper.shared().convertValue(family.get("config"), new TypeReference<>() {});
    return TinyModel.write(folder, fields, SEED);
  }

  @ParameterizedTest
  @MethodSource("names")
  void greedyTokensAndLogprobsAreThoseOfTransformers(String name, @TempDir Path folder)
      throws IOException, InterruptedException {
    JsonNode family =
        families()
            .valueStream()
            .filter(f -> f.get("name").asString().equals(name))
            .findFirst()
            .orElseThrow();
    int[] prompt = family.get("prompt").valueStream().mapToInt(JsonNode::asInt).toArray();
    int[] output = family.get("output").valueStream().mapToInt(JsonNode::asInt).toArray();
    Sampling sampling =
        Sampling.builder()
            .temperature(0)
            .ignoreEos(true)
            .maxTokens(output.length)
            .logprobs(0)
            .build();
    try (Engine engine = Engine.open(EngineOptions.of(write(folder, family)))) {
      Completion.Choice choice =
          engine.submit(Request.of(Prompt.of(prompt), sampling)).await().choices().getFirst();
      assertThat(choice.tokenIds()).isEqualTo(output);
      for (int i = 0; i < output.length; i++) {
        assertThat((double) choice.tokens().get(i).logprob())
            .as("logprob %d", i)
            .isCloseTo(family.get("logprobs").get(i).asDouble(), within(TOLERANCE));
      }
    }
  }
}
