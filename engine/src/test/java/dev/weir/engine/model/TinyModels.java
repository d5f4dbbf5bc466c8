package dev.weir.engine.model;

import dev.weir.engine.testing.SafetensorsBytes;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** Writes model directories of a few kilobytes with every tensor a configuration asks for. */
final class TinyModels {

  private TinyModels() {}

  /** A configuration with the given fields changed or added; a null takes a field away. */
  static String config(String architecture, Map<String, String> changes) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("architectures", "[\"" + architecture + "\"]");
    fields.put("hidden_act", "\"silu\"");
    fields.put("vocab_size", "32");
    fields.put("hidden_size", "16");
    fields.put("intermediate_size", "24");
    fields.put("num_hidden_layers", "2");
    fields.put("num_attention_heads", "4");
    fields.put("num_key_value_heads", "2");
    fields.put("max_position_embeddings", "64");
    fields.put("sliding_window", "null");
    fields.putAll(changes);
    fields.values().removeIf(ABSENT::equals);
    return json(fields);
  }

  /** An object whose values are JSON already. */
  static String json(Map<String, String> fields) {
    return fields.entrySet().stream()
        .map(field -> "\"" + field.getKey() + "\":" + field.getValue())
        .collect(Collectors.joining(",", "{", "}"));
  }

  /** As the value of a change: the field is left out. */
  static final String ABSENT = "absent";

  /** Writes config.json and reads it. */
  static ModelConfig read(Path folder, String architecture, Map<String, String> changes) {
    return ModelConfigReader.readFile(write(folder.resolve("config.json"), architecture, changes));
  }

  private static Path write(Path file, String architecture, Map<String, String> changes) {
    try {
      return Files.writeString(file, config(architecture, changes));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes weights of seeded random bytes for a layout, each tensor after {@code change}. */
  static void weights(Path folder, ModelLayout layout, UnaryOperator<Tensor> change) {
    Random random = new Random(1);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    layout
        .weights()
        .flatMap(weight -> weight.parts().stream())
        .map(WeightSpec.Part::stored)
        .forEach(
            stored ->
                tensors.putIfAbsent(
                    stored.name(), new Tensor(stored.name(), "BF16", stored.shape())));
    SafetensorsBytes file = new SafetensorsBytes();
    for (Tensor tensor : tensors.values()) {
      Tensor changed = change.apply(tensor);
      int elements = changed.shape.stream().reduce(1, Math::multiplyExact);
      byte[] bytes = new byte[elements * (changed.dtype.equals("F32") ? 4 : 2)];
      random.nextBytes(bytes);
      file.tensor(changed.name, changed.dtype, changed.shape, bytes);
    }
    file.write(folder.resolve("model.safetensors"));
  }

  /** A tensor about to be written. */
  record Tensor(String name, String dtype, List<Integer> shape) {}
}
