package dev.weir.trainer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Writes a model as a directory in Hugging Face's layout. */
final class ModelDirectory {
  private static final String WEIGHTS = "model.safetensors";
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  private ModelDirectory() {}

  /** Writes everything; files that are there are replaced. */
  static void write(
      Path directory, ModelShape shape, Vocabulary vocabulary, Map<String, float[]> values)
      throws IOException {
    Files.createDirectories(directory);
    json(directory.resolve("config.json"), config(shape));
    json(directory.resolve("generation_config.json"), generation());
    json(directory.resolve("tokenizer.json"), TokenizerJson.tokenizer(vocabulary));
    json(directory.resolve("tokenizer_config.json"), TokenizerJson.config(shape.context()));
    Map<String, SafetensorsWriter.Tensor> tensors = new LinkedHashMap<>();
    shape
        .weights()
        .forEach(
            (name, size) -> {
              float[] value = values.get(name);
              if (value == null) {
                throw new IllegalArgumentException("no weight " + name);
              }
              tensors.put(name, new SafetensorsWriter.Tensor(size, value));
            });
    SafetensorsWriter.write(directory.resolve(WEIGHTS), tensors);
  }

  /** Returns the weights of a model that was written. */
  static Map<String, float[]> weights(Path directory) throws IOException {
    return SafetensorsReader.read(directory.resolve(WEIGHTS));
  }

  static void json(Path file, Object content) throws IOException {
    Files.writeString(file, JSON.writeValueAsString(content) + "\n");
  }

  private static Map<String, Object> config(ModelShape shape) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("architectures", List.of("LlamaForCausalLM"));
    config.put("model_type", "llama");
    config.put("vocab_size", shape.vocabulary());
    config.put("hidden_size", shape.hidden());
    config.put("intermediate_size", shape.intermediate());
    config.put("num_hidden_layers", shape.layers());
    config.put("num_attention_heads", shape.heads());
    config.put("num_key_value_heads", shape.kvHeads());
    config.put("head_dim", shape.headSize());
    config.put("max_position_embeddings", shape.context());
    config.put("rope_theta", ModelShape.ROPE_THETA);
    config.put("rms_norm_eps", ModelShape.NORM_EPSILON);
    config.put("hidden_act", "silu");
    config.put("attention_bias", false);
    config.put("mlp_bias", false);
    config.put("tie_word_embeddings", true);
    config.put("torch_dtype", "bfloat16");
    config.put("bos_token_id", Vocabulary.END_OF_TEXT);
    config.put("eos_token_id", List.of(Vocabulary.END, Vocabulary.END_OF_TEXT));
    return config;
  }

  private static Map<String, Object> generation() {
    Map<String, Object> generation = new LinkedHashMap<>();
    generation.put("bos_token_id", Vocabulary.END_OF_TEXT);
    generation.put("eos_token_id", List.of(Vocabulary.END, Vocabulary.END_OF_TEXT));
    generation.put("pad_token_id", Vocabulary.END_OF_TEXT);
    generation.put("do_sample", true);
    generation.put("temperature", 0.7);
    generation.put("top_p", 0.9);
    return generation;
  }
}
