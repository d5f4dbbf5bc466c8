package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** A directory that cannot be served says which file is at fault and why, and leaves no thread. */
class BadModelDirectoryTest {
  private static final String STEP_THREAD = "weir-step";

  @TempDir Path model;

  @BeforeEach
  void write() {
    TinyModel.write(model, DType.F32, 1);
  }

  @AfterEach
  void noStepThreadIsLeft() {
    assertThat(Thread.getAllStackTraces().keySet())
        .noneMatch(thread -> thread.getName().equals(STEP_THREAD));
  }

  private EngineOptions options() {
    return EngineOptions.of(model).withKvBytes(4 << 20).withThreads(2);
  }

  private void replace(String file, String found, String by) throws IOException {
    Path path = model.resolve(file);
    String text = Files.readString(path);
    assertThat(text).contains(found);
    Files.writeString(path, text.replace(found, by));
  }

  @ParameterizedTest
  @ValueSource(strings = {"config.json", "tokenizer.json", "model.safetensors"})
  void aMissingFileIsNamed(String file) throws IOException {
    Files.delete(model.resolve(file));
    assertThatThrownBy(() -> Engine.open(options()))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining(file);
  }

  @ParameterizedTest
  @ValueSource(strings = {"config.json", "tokenizer.json", "model.safetensors"})
  void aFileThatEndsEarlyIsNamed(String file) throws IOException {
    byte[] bytes = Files.readAllBytes(model.resolve(file));
    for (int length : new int[] {0, 7, bytes.length / 2, bytes.length - 3}) {
      Files.write(model.resolve(file), Arrays.copyOf(bytes, length));
      assertThatThrownBy(() -> Engine.open(options()))
          .as("%d of %d bytes", length, bytes.length)
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContaining(file);
    }
  }

  @Test
  void anUnknownArchitectureIsNamed() throws IOException {
    replace("config.json", "LlamaForCausalLM", "WeirdForCausalLM");
    replace("config.json", "\"llama\"", "\"weird\"");
    assertThatThrownBy(() -> Engine.open(options()))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining("eird");
  }

  @Test
  void weightsThatDoNotFitTheConfigurationAreNamed() throws IOException {
    replace("config.json", "\"vocab_size\": 259", "\"vocab_size\": 300");
    assertThatThrownBy(() -> Engine.open(options()))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("model.embed_tokens.weight")
        .hasMessageContaining("300");
  }

  /** Real models have such tokens: they belong to parts that are not there. */
  @Test
  void aTokenBeyondTheModelsVocabularyIsRefusedWhereAPromptHasIt()
      throws IOException, InterruptedException {
    addControlToken("<|extra|>", TinyModel.VOCABULARY);
    try (Engine engine = Engine.open(options())) {
      assertThatThrownBy(
              () -> engine.submit(Request.of(Prompt.of("a<|extra|>"), Sampling.greedy(1))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("vocabulary of " + TinyModel.VOCABULARY);
      Request other = Request.of(Prompt.of("a"), Sampling.greedy(3));
      assertThat(engine.submit(other).await().usage().outputTokens()).isPositive();
    }
  }

  private void addControlToken(String content, int id) throws IOException {
    Path path = model.resolve("tokenizer.json");
    ObjectNode tokenizer = (ObjectNode) JsonMapper.shared().readTree(Files.readString(path));
    ((ArrayNode) tokenizer.get("added_tokens"))
        .addObject()
        .put("id", id)
        .put("content", content)
        .put("special", true)
        .put("normalized", false)
        .put("lstrip", false)
        .put("rstrip", false)
        .put("single_word", false);
    Files.writeString(path, tokenizer.toString());
  }

  @Test
  void kvMemoryWithoutABlockIsRefusedWithTheNumbers() {
    long block = new KvShape(2, 2, 8, DType.F32).blockBytes();
    assertThatThrownBy(() -> Engine.open(options().withKvBytes(block - 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(Long.toString(block - 1))
        .hasMessageContaining(Long.toString(block))
        .hasMessageContaining(Integer.toString(TinyModel.CONTEXT));
  }

  @Test
  void kvMemoryOfLessThanAContextShortensIt() throws InterruptedException {
    long block = new KvShape(2, 2, 8, DType.F32).blockBytes();
    try (Engine engine = Engine.open(options().withKvBytes(2 * block))) {
      int most = 2 * KvShape.BLOCK_TOKENS;
      assertThat(engine.contextLength()).isEqualTo(most);
      assertThatThrownBy(() -> engine.submit(Request.of(Prompt.of(new int[most]), greedy())))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(Integer.toString(most));
      Completion full = engine.submit(Request.of(Prompt.of(new int[most - 1]), greedy())).await();
      assertThat(full.usage().outputTokens()).isEqualTo(1);
    }
  }

  private static Sampling greedy() {
    return Sampling.builder()
        .temperature(0)
        .maxTokens(1000)
        .logitBias(Map.of(TinyModel.END, -Sampling.MAX_BIAS))
        .build();
  }

  @Test
  void aContextLongerThanTheModelsIsRefusedWithBothLengths() {
    assertThatThrownBy(() -> Engine.open(options().withContextLength(TinyModel.CONTEXT + 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(Integer.toString(TinyModel.CONTEXT + 1))
        .hasMessageContaining(Integer.toString(TinyModel.CONTEXT));
  }
}
