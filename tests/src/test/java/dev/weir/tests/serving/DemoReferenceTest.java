package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The demo model goes on as the trainer's own forward pass says, which shares nothing with the
 * engine's.
 */
class DemoReferenceTest {
  /**
   * Below this a step's choice between its two best tokens may fall otherwise where activations are
   * rounded to bf16, as the C kernels do for weights of that type.
   */
  private static final double CLEAR_MARGIN = 1;

  private static JsonNode reference() throws Exception {
    Path file =
        Path.of("src", "test", "resources", "dev", "weir", "tests", "demo", "reference.json");
    return JsonMapper.shared().readTree(Files.readString(file));
  }

  private static int compare(DeviceChoice device, double leastMargin) throws Exception {
    int compared = 0;
    try (Engine engine =
        Engine.open(EngineOptions.of(WeirUnderTest.demoModel()).withDevice(device))) {
      for (JsonNode one : reference().get("cases")) {
        if (one.get("smallest_margin").asDouble() < leastMargin) {
          continue;
        }
        int[] prompt = ids(one.get("prompt_ids"));
        int[] expected = ids(one.get("output_ids"));
        int[] drawn =
            engine
                .submit(
                    Request.of(Prompt.of(prompt), Sampling.greedy(Math.max(1, expected.length))))
                .await()
                .choices()
                .getFirst()
                .tokenIds();
        assertThat(Arrays.copyOf(drawn, expected.length))
            .as(one.get("name").asString())
            .isEqualTo(expected);
        compared++;
      }
    }
    return compared;
  }

  private static int[] ids(JsonNode array) {
    return array.valueStream().mapToInt(JsonNode::asInt).toArray();
  }

  @Test
  void inFloatArithmeticEveryCaseIsEqual() throws Exception {
    assertThat(compare(DeviceChoice.REFERENCE, 0)).isEqualTo(8);
  }

  @Test
  void onTheKernelsOfThisMachineEveryClearCaseIsEqual() throws Exception {
    assertThat(compare(DeviceChoice.AUTO, CLEAR_MARGIN)).isGreaterThanOrEqualTo(4);
  }
}
