package dev.weir.trainer;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads back what {@link SafetensorsWriter} wrote, so that a training can go on from it. */
final class SafetensorsReader {
  private SafetensorsReader() {}

  /** Returns the values of every tensor, by name. */
  static Map<String, float[]> read(Path file) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    byte[] json = new byte[Math.toIntExact(buffer.getLong())];
    buffer.get(json);
    int tensors = buffer.position();
    Map<String, float[]> values = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : JsonMapper.shared().readTree(json).properties()) {
      JsonNode fields = entry.getValue();
      if (!fields.has("dtype")) {
        continue;
      }
      if (!fields.get("dtype").asString().equals("BF16")) {
        throw new IOException(entry.getKey() + " in " + file + " is not BF16");
      }
      int begin = tensors + fields.at("/data_offsets/0").asInt();
      int end = tensors + fields.at("/data_offsets/1").asInt();
      float[] tensor = new float[(end - begin) / Short.BYTES];
      for (int i = 0; i < tensor.length; i++) {
        tensor[i] = Bfloat16.value(buffer.getShort(begin + i * Short.BYTES));
      }
      values.put(entry.getKey(), tensor);
    }
    return values;
  }
}
