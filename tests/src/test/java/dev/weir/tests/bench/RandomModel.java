package dev.weir.tests.bench;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.JsonWriter;
import dev.weir.engine.load.ModelDirectory;
import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.model.ModelConfigReader;
import dev.weir.engine.model.ModelLayout;
import dev.weir.engine.model.WeightSpec;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.StringJoiner;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Model directories of real shapes with random bf16 weights: for speed, where what is said does not
 * matter.
 */
public enum RandomModel {
  QWEN3_0_6B(
      "qwen3-0.6b",
      """
      {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu", "vocab_size": 151936,
       "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
       "head_dim": 128, "intermediate_size": 3072, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
       "max_position_embeddings": 40960, "tie_word_embeddings": true}
      """),
  LLAMA_3_2_1B(
      "llama-3.2-1b",
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 128256,
       "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
       "head_dim": 64, "intermediate_size": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
       "max_position_embeddings": 131072, "tie_word_embeddings": true}
      """),
  LLAMA_3_1_8B(
      "llama-3.1-8b",
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 128256,
       "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
       "head_dim": 128, "intermediate_size": 14336, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
       "max_position_embeddings": 131072, "tie_word_embeddings": false}
      """),
  /** As small as GPU kernels allow: to try out what measures the others. */
  TINY(
      "tiny",
      """
      {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu", "vocab_size": 1000,
       "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
       "head_dim": 64, "intermediate_size": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
       "max_position_embeddings": 4096, "tie_word_embeddings": true}
      """);

  /**
   * Random values are drawn once and repeated; a prime, so that no two rows of a matrix are alike.
   */
  private static final int PATTERN = 1_000_003;

  private final String option;
  private final String config;

  RandomModel(String option, String config) {
    this.option = option;
    this.config = config;
  }

  /** The shape's name on the command line, for example {@code qwen3-0.6b}. */
  public String option() {
    return option;
  }

  /**
   * A model by what a command line says: a directory, or a shape's name for random weights of it.
   *
   * @param folder where these are written, unless they are there
   */
  public static Path find(String name, Path folder) throws IOException {
    for (RandomModel shape : values()) {
      if (shape.option().equals(name)) {
        return shape.write(folder.resolve("weir-bench"));
      }
    }
    return ModelDirectory.resolve(Path.of(name));
  }

  /** The same with the temporary folder. */
  public static Path find(String name) throws IOException {
    return find(name, Path.of(System.getProperty("java.io.tmpdir")));
  }

  /** Writes the model, or finds it as it was written before. */
  public Path write(Path folder) throws IOException {
    Path model = folder.resolve(option());
    Path weights = model.resolve("model.safetensors");
    Path tokenizer = model.resolve("tokenizer.json");
    if (!Files.exists(weights)) {
      TinyModel.write(model, DType.BF16, 1); // for its tokenizer
      Files.writeString(model.resolve("config.json"), config);
      Files.writeString(
          tokenizer,
          withWords(Files.readString(tokenizer), ModelConfigReader.read(model).vocabSize()));
      Files.delete(weights);
      Path unfinished = model.resolve("model.safetensors.unfinished");
      writeWeights(unfinished, ModelConfigReader.read(model));
      Files.move(unfinished, weights);
    }
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      ModelLayout.of(ModelConfigReader.read(model)).validate(checkpoint);
    }
    return model;
  }

  /**
   * Gives every token of a vocabulary a text: a server streams nothing for a token that has none.
   */
  private static String withWords(String tokenizer, int vocabulary) {
    JsonNode root = JsonMapper.shared().readTree(tokenizer);
    ObjectNode words = (ObjectNode) root.path("model").path("vocab");
    for (JsonNode added : root.path("added_tokens")) {
      words.put(added.path("content").asString(), added.path("id").asInt());
    }
    for (int id = words.size(); id < vocabulary; id++) {
      words.put("Ġ" + Integer.toString(id, Character.MAX_RADIX), id); // Ġ: a byte-level space
    }
    return JsonWriter.text(root);
  }

  private static void writeWeights(Path file, ModelConfig config) throws IOException {
    StringJoiner header = new StringJoiner(",", "{", "}");
    List<WeightSpec.Stored> tensors = new ArrayList<>();
    long end = 0;
    for (WeightSpec weight : ModelLayout.of(config).weights().toList()) {
      for (WeightSpec.Part part : weight.parts()) {
        long start = end;
        end += elements(part.stored()) * DType.BF16.bytes();
        tensors.add(part.stored());
        header.add(
            "\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(part.stored().name(), part.stored().shape(), start, end));
      }
    }
    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer weights = pattern(0, 0.02);
    ByteBuffer norms = pattern(1, 0.05);
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      channel.write(
          ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(0, json.length));
      channel.write(ByteBuffer.wrap(json));
      for (WeightSpec.Stored tensor : tensors) {
        ByteBuffer values = tensor.shape().size() == 1 ? norms : weights;
        for (long left = elements(tensor) * DType.BF16.bytes(); left > 0; ) {
          if (!values.hasRemaining()) {
            values.rewind();
          }
          int chunk = (int) Math.min(left, values.remaining());
          channel.write(values.slice(values.position(), chunk));
          values.position(values.position() + chunk);
          left -= chunk;
        }
      }
    }
  }

  private static long elements(WeightSpec.Stored tensor) {
    return tensor.shape().stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b);
  }

  private static ByteBuffer pattern(double mean, double deviation) {
    Random random = new Random(1);
    ByteBuffer values =
        ByteBuffer.allocateDirect(PATTERN * DType.BF16.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    while (values.hasRemaining()) {
      float value = (float) random.nextGaussian(mean, deviation);
      values.putShort((short) (Float.floatToRawIntBits(value) >>> Short.SIZE));
    }
    return values.rewind();
  }
}
