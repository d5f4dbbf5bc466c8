package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Malformed and malicious tokenizer files: accepted, or refused by an error that names the file.
 */
class HostileTokenizerFilesTest {

  @TestFactory
  Stream<DynamicTest> each_file_is_accepted_or_refused_as_it_should_be() throws IOException {
    Path folder = SharedData.require("data/hostile");
    JsonNode files = JsonMapper.shared().readTree(Files.readString(folder.resolve("files.json")));
    List<JsonNode> cases =
        files
            .valueStream()
            .filter(file -> file.path("file").asString().startsWith("tokenizer/"))
            .toList();
    assertThat(cases).isNotEmpty();
    return cases.stream()
        .map(
            file ->
                DynamicTest.dynamicTest(
                    file.path("why").asString(),
                    () ->
                        check(
                            folder.resolve(file.path("file").asString()),
                            file.path("expect").asString())));
  }

  private static void check(Path file, String expectation) {
    switch (expectation) {
      case "accept" -> loadAndUse(file);
      case "reject", "reject-or-ignore" -> assertRefused(file);
      case "accept-or-reject", "bounded" -> {
        try {
          loadAndUse(file);
        } catch (ModelLoadException e) {
          assertNames(e, file);
        }
      }
      default -> throw new AssertionError("unknown expectation " + expectation);
    }
  }

  private static void loadAndUse(Path file) {
    try (Tokenizer tokenizer = load(file)) {
      String text = "Once upon a time, " + "a".repeat(200) + "b";
      assertThat(tokenizer.decode(tokenizer.encode(text, true), true)).isEqualTo(text);
    }
  }

  private static void assertRefused(Path file) {
    assertThatThrownBy(() -> load(file).close())
        .isInstanceOfSatisfying(ModelLoadException.class, e -> assertNames(e, file));
  }

  private static void assertNames(ModelLoadException e, Path file) {
    assertThat(e.path()).isEqualTo(file);
    assertThat(e).hasMessageContaining(file.getFileName().toString());
  }

  private static Tokenizer load(Path file) {
    return Tokenizer.load(file, new TokenizerConfig(Map.of(), Map.of()));
  }

  @Test
  void a_folder_without_a_tokenizer_is_refused_by_the_name_of_the_file(@TempDir Path folder) {
    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("tokenizer.json")
        .hasMessageContaining("there is none");
  }

  @Test
  void a_garbled_tokenizer_config_is_refused_by_the_name_of_the_file(@TempDir Path folder)
      throws IOException {
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"bos_token\": ");

    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("tokenizer_config.json");
  }
}
