package dev.weir.engine.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The real vocabularies among the shared data, and the Hugging Face library's word on them. */
final class Vocabularies implements AutoCloseable {

  static final List<String> BYTE_LEVEL = List.of("llama-3", "qwen2.5", "gpt2");
  static final List<String> SENTENCE_PIECE = List.of("llama2", "phi-3-mini", "mistral-v3");

  private final Map<String, Tokenizer> tokenizers = new HashMap<>();
  private final Map<String, Long> oracles = new HashMap<>();

  static Path directory(String name) {
    return SharedData.require(
        name.equals("stories260K") ? "models/stories260K" : "data/tokenizers/" + name);
  }

  Tokenizer tokenizer(String name) {
    return tokenizers.computeIfAbsent(name, n -> Tokenizer.load(directory(n)));
  }

  /** What the library itself decodes from all of {@code ids} at once. */
  String wholeDecode(String name, int[] ids, boolean skipSpecial) {
    long[] wide = Arrays.stream(ids).asLongStream().toArray();
    return TokenizersLibrary.LIB.decode(oracle(name), wide, skipSpecial);
  }

  private long oracle(String name) {
    return oracles.computeIfAbsent(
        name,
        n -> {
          NativeLibrary.load();
          return TokenizersLibrary.LIB.createTokenizerFromString(
              read(directory(n).resolve("tokenizer.json")));
        });
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    tokenizers.values().forEach(Tokenizer::close);
    oracles.values().forEach(TokenizersLibrary.LIB::deleteTokenizer);
  }
}
