package dev.weir.engine.testing;

import dev.weir.engine.model.ModelConfigReader;
import dev.weir.engine.model.ModelLayout;
import dev.weir.engine.model.WeightSpec;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/**
 * A model directory with random weights, small enough to be made and run in milliseconds: for tests
 * of schedules, where what the tokens say does not matter. Its tokenizer knows the 256 bytes and
 * three control tokens.
 */
public final class TinyModel {
  public static final int VOCABULARY = 259;
  public static final int END = 256;
  public static final int USER = 257;
  public static final int ASSISTANT = 258;
  public static final int CONTEXT = 2048;

  private static final int HIDDEN = 32;
  private static final int LAYERS = 2;
  private static final int HEADS = 4;
  private static final int KV_HEADS = 2;
  private static final int HEAD_DIM = 8;
  private static final int INTERMEDIATE = 48;

  private static final String CHAT_TEMPLATE =
      "{% for m in messages %}{% if m['role'] == 'assistant' %}<|assistant|>{% else %}<|user|>{% endif %}"
          + "{{ m['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

  private TinyModel() {}

  /** Writes the model into a folder; the same seed gives the same weights. */
  public static Path write(Path folder, DType type, long seed) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("config.json"), config());
      Files.writeString(
          folder.resolve("generation_config.json"), "{\"eos_token_id\": " + END + "}");
      Files.writeString(folder.resolve("tokenizer.json"), tokenizer());
      Files.writeString(
          folder.resolve("tokenizer_config.json"),
          JsonMapper.shared().writeValueAsString(Map.of("chat_template", CHAT_TEMPLATE)));
      weights(type, new Random(seed)).write(folder.resolve("model.safetensors"));
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Writes a model of the same size but of another configuration: {@code fields} are added to
   * config.json, and replace what is there.
   */
  public static Path write(Path folder, Map<String, Object> fields, long seed) {
    write(folder, DType.F32, seed);
    try {
      Path file = folder.resolve("config.json");
      Map<String, Object> config =
          JsonMapper.shared().readValue(Files.readString(file), new TypeReference<>() {});
      config.putAll(fields);
      Files.writeString(file, JsonMapper.shared().writeValueAsString(config));
      Random random = new Random(seed);
      SafetensorsBytes weights = new SafetensorsBytes();
      ModelLayout.of(ModelConfigReader.read(folder))
          .weights()
          .flatMap(weight -> weight.parts().stream())
          .map(WeightSpec.Part::stored)
          .distinct()
          .forEach(
              tensor -> {
                boolean norm = tensor.name().endsWith("norm.weight");
                byte[] values = values(DType.F32, tensor.shape(), random, norm);
                weights.tensor(tensor.name(), DType.F32.name(), tensor.shape(), values);
              });
      Files.write(folder.resolve("model.safetensors"), weights.bytes());
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String config() {
    return """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
         "vocab_size": %d, "hidden_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d,
         "num_key_value_heads": %d, "head_dim": %d, "intermediate_size": %d, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "max_position_embeddings": %d, "tie_word_embeddings": true,
         "eos_token_id": %d}
        """
        .formatted(
            VOCABULARY, HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, INTERMEDIATE, CONTEXT, END);
  }

  private static SafetensorsBytes weights(DType type, Random random) {
    Map<String, List<Integer>> shapes = new LinkedHashMap<>();
    shapes.put("model.embed_tokens.weight", List.of(VOCABULARY, HIDDEN));
    for (int i = 0; i < LAYERS; i++) {
      String layer = "model.layers." + i + ".";
      shapes.put(layer + "input_layernorm.weight", List.of(HIDDEN));
      shapes.put(layer + "self_attn.q_proj.weight", List.of(HEADS * HEAD_DIM, HIDDEN));
      shapes.put(layer + "self_attn.k_proj.weight", List.of(KV_HEADS * HEAD_DIM, HIDDEN));
      shapes.put(layer + "self_attn.v_proj.weight", List.of(KV_HEADS * HEAD_DIM, HIDDEN));
      shapes.put(layer + "self_attn.o_proj.weight", List.of(HIDDEN, HEADS * HEAD_DIM));
      shapes.put(layer + "post_attention_layernorm.weight", List.of(HIDDEN));
      shapes.put(layer + "mlp.gate_proj.weight", List.of(INTERMEDIATE, HIDDEN));
      shapes.put(layer + "mlp.up_proj.weight", List.of(INTERMEDIATE, HIDDEN));
      shapes.put(layer + "mlp.down_proj.weight", List.of(HIDDEN, INTERMEDIATE));
    }
    shapes.put("model.norm.weight", List.of(HIDDEN));
    SafetensorsBytes file = new SafetensorsBytes();
    shapes.forEach(
        (name, shape) ->
            file.tensor(name, type.name(), shape, values(type, shape, random, shape.size() == 1)));
    return file;
  }

  private static byte[] values(DType type, List<Integer> shape, Random random, boolean norm) {
    int count = shape.stream().reduce(1, Math::multiplyExact);
    ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      // Wide enough that logits differ clearly, and attention is not uniform.
      float value = (float) (norm ? 1 + 0.1 * random.nextGaussian() : 0.3 * random.nextGaussian());
      switch (type) {
        case F32 -> bytes.putFloat(value);
        case F16 -> bytes.putShort(Float.floatToFloat16(value));
        case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> Short.SIZE));
        case I32 -> throw new IllegalArgumentException("integers are no weights");
      }
    }
    return bytes.array();
  }

  private static String tokenizer() {
    Map<String, Object> vocabulary = new LinkedHashMap<>();
    List<String> alphabet = byteAlphabet();
    for (int i = 0; i < alphabet.size(); i++) {
      vocabulary.put(alphabet.get(i), i);
    }
    List<Object> added =
        List.of(
            control(END, "<|end|>"),
            control(USER, "<|user|>"),
            control(ASSISTANT, "<|assistant|>"));
    Map<String, Object> byteLevel =
        Map.of(
            "type",
            "ByteLevel",
            "add_prefix_space",
            false,
            "trim_offsets",
            true,
            "use_regex",
            true);
    Map<String, Object> model = new LinkedHashMap<>();
    model.put("type", "BPE");
    model.put("vocab", vocabulary);
    model.put("merges", List.of());
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("version", "1.0");
    root.put("added_tokens", added);
    root.put("pre_tokenizer", byteLevel);
    root.put("decoder", byteLevel);
    root.put("model", model);
    return JsonMapper.shared().writeValueAsString(root);
  }

  private static Map<String, Object> control(int id, String content) {
    return Map.of(
        "id",
        id,
        "content",
        content,
        "special",
        true,
        "normalized",
        false,
        "lstrip",
        false,
        "rstrip",
        false,
        "single_word",
        false);
  }

  /** GPT-2's printable stand-ins, in the order of the bytes they stand for. */
  private static List<String> byteAlphabet() {
    List<String> alphabet = new ArrayList<>();
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      alphabet.add(Character.toString(printable ? b : next++));
    }
    return alphabet;
  }
}
