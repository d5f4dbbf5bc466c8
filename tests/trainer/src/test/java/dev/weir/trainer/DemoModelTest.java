package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** Holds the committed demo model to the sources that claim to make it. */
final class DemoModelTest {
  private static final Path COMMITTED =
      Path.of("../../server/src/main/resources/dev/weir/server/demo-model");

  private final Vocabulary vocabulary = Main.vocabulary();
  private final ModelShape shape = Main.shape(vocabulary);

  @TempDir private Path directory;

  @Test
  void theSourcesGiveTheCommittedConfigurationAndVocabulary() throws IOException {
    assumeTrue(Files.isDirectory(COMMITTED), "skipped: the server module is not beside this one");
    Map<String, float[]> weights = ModelDirectory.weights(COMMITTED);

    ModelDirectory.write(directory, shape, vocabulary, weights);

    for (String name :
        new String[] {
          "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"
        }) {
      assertThat(JsonMapper.shared().readTree(Files.readString(COMMITTED.resolve(name))))
          .as(name)
          .isEqualTo(JsonMapper.shared().readTree(Files.readString(directory.resolve(name))));
    }
    assertThat(COMMITTED.resolve("model.safetensors"))
        .hasSameBinaryContentAs(directory.resolve("model.safetensors"));
  }

  @Test
  void everyCommittedWeightIsFinite() throws IOException {
    assumeTrue(Files.isDirectory(COMMITTED), "skipped: the server module is not beside this one");

    ModelDirectory.weights(COMMITTED)
        .forEach(
            (name, values) -> {
              for (float value : values) {
                if (!Float.isFinite(value)) {
                  throw new AssertionError(name + " holds " + value);
                }
              }
            });
  }
}
