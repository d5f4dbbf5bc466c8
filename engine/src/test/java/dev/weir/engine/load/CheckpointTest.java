package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.testing.SafetensorsBytes;
import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {

  private static final String ONE = "model-00001-of-00002.safetensors";
  private static final String TWO = "model-00002-of-00002.safetensors";

  @TempDir Path folder;

  @BeforeEach
  void two_shards() {
    new SafetensorsBytes()
        .tensor("a", "F32", List.of(2), new byte[] {1, 2, 3, 4, 5, 6, 7, 8})
        .write(folder.resolve(ONE));
    new SafetensorsBytes()
        .tensor("b", "BF16", List.of(2, 1), new byte[] {9, 10, 11, 12})
        .write(folder.resolve(TWO));
  }

  @Test
  void shards_are_seen_as_one() throws IOException {
    index("\"a\":\"" + ONE + "\",\"b\":\"" + TWO + "\"");

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.names()).containsExactly("a", "b");
      assertThat(checkpoint.bytes()).isEqualTo(12);
      assertThat(checkpoint.require("b", 2, 1).file()).isEqualTo(folder.resolve(TWO));
      assertThat(checkpoint.find("c")).isEmpty();
    }
  }

  @Test
  void a_required_tensor_that_is_missing_or_of_another_shape_is_named() throws IOException {
    index("\"a\":\"" + ONE + "\",\"b\":\"" + TWO + "\"");

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThatThrownBy(() -> checkpoint.require("lm_head.weight", 4, 4))
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContaining("'lm_head.weight'")
          .hasMessageContaining("missing");
      assertThatThrownBy(() -> checkpoint.require("b", 1, 2))
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContaining(TWO)
          .hasMessageContaining("'b'")
          .hasMessageContaining("[2, 1]")
          .hasMessageContaining("[1, 2]");
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          not a plain safetensors file name | "a":"../model.safetensors"
          not a plain safetensors file name | "a":"/etc/x.safetensors"
          not a plain safetensors file name | "a":"d\\\\x.safetensors"
          not a plain safetensors file name | "a":"c:x.safetensors"
          not a plain safetensors file name | "a":"x.safetensors\\u0000"
          not a plain safetensors file name | "a":".safetensors"
          not a plain safetensors file name | "a":"model.bin"
          not a plain safetensors file name | "a":""
          no such file                      | "a":"model-00009-of-00002.safetensors"
          is not a file name                | "a":3
          does not hold it                  | "a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors"
          does not hold it                  | "a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors"
          lacks 'b'                         | "a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"
          Duplicate                         | "a":"model-00001-of-00002.safetensors","a":"model-00001-of-00002.safetensors"
          """)
  void an_index_that_lies_is_refused(String message, String weightMap) throws IOException {
    if (message.startsWith("lacks")) {
      new SafetensorsBytes()
          .tensor("b", "U8", List.of(1), new byte[1])
          .tensor("c", "U8", List.of(1), new byte[1])
          .write(folder.resolve(TWO));
    }
    index(weightMap);

    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining(message);
  }

  @Test
  void a_tensor_in_two_shards_is_refused() throws IOException {
    new SafetensorsBytes()
        .tensor("a", "F32", List.of(2), new byte[8])
        .tensor("b", "U8", List.of(1), new byte[1])
        .write(folder.resolve(TWO));
    index("\"a\":\"" + ONE + "\",\"b\":\"" + TWO + "\"");

    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("'a'")
        .hasMessageContaining("is also in " + ONE);
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = "{}\n{\"weight_map\":{}}\n{\"weight_map\":[]}\n[]\nx")
  void an_index_without_a_weight_map_is_refused(String json) throws IOException {
    Files.writeString(folder.resolve("model.safetensors.index.json"), json);

    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("model.safetensors.index.json");
  }

  @Test
  void a_directory_without_weights_is_refused() throws IOException {
    Path empty = Files.createDirectory(folder.resolve("empty"));

    assertThatThrownBy(() -> Checkpoint.open(empty))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("neither model.safetensors nor model.safetensors.index.json");
  }

  @Test
  void a_sharded_model_equals_the_single_file_byte_for_byte() {
    Path model = SharedData.require("models/stories260K");

    try (Checkpoint single = Checkpoint.open(model);
        Checkpoint sharded = Checkpoint.open(model.resolve("variants/sharded"))) {
      assertThat(sharded.names()).containsExactlyInAnyOrderElementsOf(single.names());
      assertThat(sharded.bytes()).isEqualTo(single.bytes());
      for (String name : single.names()) {
        TensorView expected = single.find(name).orElseThrow();
        TensorView actual = sharded.find(name).orElseThrow();
        assertThat(actual.shape()).as(name).isEqualTo(expected.shape());
        assertThat(actual.data().mismatch(expected.data())).as(name).isEqualTo(-1);
      }
    }
  }

  private void index(String weightMap) throws IOException {
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"metadata\":{\"total_size\":12},\"weight_map\":{" + weightMap + "}}");
  }
}
