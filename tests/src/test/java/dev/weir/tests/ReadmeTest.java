package dev.weir.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the README shows as code compiles and runs: the very lines are here. */
class ReadmeTest {
  private static final Path README = Path.of("..", "README.md");
  private static final Path THIS = Path.of("src/test/java/dev/weir/tests/ReadmeTest.java");

  @TempDir private Path folder;

  /** The README's example; its lines are compared with the ones there. */
  private static void generate(Path model, StringBuilder out) throws InterruptedException {
    try (Engine engine = Engine.open(EngineOptions.of(model))) {
      Sampling sampling = Sampling.builder().temperature(0).maxTokens(32).build();
      Request request = Request.of(Prompt.of("Once upon a time"), sampling);
      try (Generation generation = engine.submit(request)) {
        for (TokenEvent event = generation.next(); event != null; event = generation.next()) {
          if (event instanceof TokenEvent.Token token) {
            out.append(token.text());
          }
        }
      }
    }
  }

  @Test
  void theEmbeddingExampleIsTheOneThatIsCompiledHere() throws IOException {
    assertThat(lines(THIS)).containsSequence(javaBlock());
  }

  @Test
  void theEmbeddingExampleGeneratesText() throws InterruptedException {
    StringBuilder out = new StringBuilder();
    generate(TinyModel.write(folder, DType.F32, 1), out);

    assertThat(out).isNotEmpty();
  }

  private static List<String> javaBlock() throws IOException {
    List<String> lines = lines(README);
    int start = lines.indexOf("```java") + 1;
    List<String> rest = lines.subList(start, lines.size());
    return rest.subList(0, rest.indexOf("```"));
  }

  private static List<String> lines(Path file) throws IOException {
    return Files.readAllLines(file).stream().map(String::strip).toList();
  }
}
