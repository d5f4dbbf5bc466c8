package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.load.SafetensorsFile;
import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The shared collection of hostile files: each has the outcome that the collection states. */
class HostileModelFilesTest {

  @TempDir Path folder;

  @TestFactory
  Stream<DynamicTest> every_safetensors_case_ends_as_stated() {
    return cases("safetensors/", this::check);
  }

  @TestFactory
  Stream<DynamicTest> every_configuration_case_ends_as_stated() {
    return cases("config/", this::checkConfig);
  }

  @Test
  void missing_tensors_of_a_well_formed_file_are_named() {
    Path file = SharedData.require("data/hostile/safetensors/model_renamed_layer.safetensors");

    assertThatThrownBy(() -> loadModel(file))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("missing")
        .hasMessageContaining("model.layers.0.");
  }

  private Stream<DynamicTest> cases(String prefix, Check check) {
    Path hostile = SharedData.require("data/hostile");
    JsonNode list = JsonMapper.shared().readTree(hostile.resolve("files.json"));
    return StreamSupport.stream(list.spliterator(), false)
        .filter(entry -> entry.path("file").stringValue().startsWith(prefix))
        .map(
            entry ->
                DynamicTest.dynamicTest(
                    entry.path("file").stringValue() + ": " + entry.path("expect").stringValue(),
                    () ->
                        check.run(
                            hostile.resolve(entry.path("file").stringValue()),
                            entry.path("expect").stringValue())));
  }

  private interface Check {
    void run(Path file, String expect);
  }

  private void check(Path file, String expect) {
    switch (expect) {
      case "accept", "accept-safely" -> open(file);
      case "reject" -> assertThatThrownBy(() -> open(file)).isInstanceOf(ModelLoadException.class);
      case "accept-or-reject" -> openOrRefuse(file);
      case "reject-at-model-load" -> {
        open(file);
        assertThatThrownBy(() -> loadModel(file)).isInstanceOf(ModelLoadException.class);
      }
      default -> fail("unknown expectation " + expect);
    }
  }

  private void checkConfig(Path file, String expect) {
    if (file.getFileName().toString().startsWith("index_")) {
      copy(file, "model.safetensors.index.json");
      assertThat(expect).isEqualTo("reject");
      assertThatThrownBy(() -> Checkpoint.open(folder))
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContaining("model-00001-of-00002.safetensors");
      return;
    }
    switch (expect) {
      case "accept" -> assertThat(ModelConfigReader.readFile(file).layers()).isEqualTo(5);
      case "reject" ->
          assertThatThrownBy(() -> ModelConfigReader.readFile(file))
              .isInstanceOf(ModelLoadException.class)
              .hasMessageContaining(file.getFileName().toString());
      case "bounded" ->
          assertThat(ModelConfigReader.readFile(file).maxPositions())
              .isLessThanOrEqualTo(ModelConfig.MAX_POSITIONS);
      default -> fail("unknown expectation " + expect);
    }
  }

  private static void open(Path file) {
    try (SafetensorsFile opened = SafetensorsFile.open(file)) {
      assertThat(opened.bytes()).isNotNegative();
    }
  }

  private static void openOrRefuse(Path file) {
    try {
      open(file);
    } catch (ModelLoadException e) {
      assertThat(e).hasMessageContaining(file.getFileName().toString());
    }
  }

  /** The file as the weights of the model whose weights it was made from. */
  private void loadModel(Path file) {
    copy(file, "model.safetensors");
    ModelConfig config = ModelConfigReader.read(SharedData.require("models/stories260K"));
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      ModelLayout.of(config).validate(checkpoint);
    }
  }

  private void copy(Path file, String name) {
    try {
      Files.write(folder.resolve(name), Files.readAllBytes(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
