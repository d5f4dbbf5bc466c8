package dev.weir.trainer;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes float tensors as bfloat16 in the safetensors format: the header's length (8 bytes, little
 * endian), a JSON header that gives each tensor's type, shape and byte range, then the bytes.
 */
final class SafetensorsWriter {
  /** The header is padded with spaces so that the tensors begin at such a multiple. */
  private static final int ALIGNMENT = 8;

  private SafetensorsWriter() {}

  /**
   * A tensor to be written.
   *
   * @param values row-major, as many as the shape says
   */
  @SuppressWarnings("ArrayRecordComponent") // primitive data, never compared
  record Tensor(long[] shape, float[] values) {
    Tensor {
      if (Bfloat16.elements(shape) != values.length) {
        throw new IllegalArgumentException("the shape does not hold " + values.length + " values");
      }
    }
  }

  /** Writes the tensors in the map's order. */
  static void write(Path file, Map<String, Tensor> tensors) throws IOException {
    Map<String, Object> header = new LinkedHashMap<>();
    header.put("__metadata__", Map.of("format", "pt"));
    long offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      long end = offset + (long) Short.BYTES * entry.getValue().values().length;
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("dtype", "BF16");
      fields.put("shape", entry.getValue().shape());
      fields.put("data_offsets", List.of(offset, end));
      header.put(entry.getKey(), fields);
      offset = end;
    }
    byte[] json = padded(JsonMapper.shared().writeValueAsString(header));
    ByteBuffer buffer =
        ByteBuffer.allocate(Math.toIntExact(Long.BYTES + json.length + offset))
            .order(ByteOrder.LITTLE_ENDIAN);
    buffer.putLong(json.length).put(json);
    for (Tensor tensor : tensors.values()) {
      for (float value : tensor.values()) {
        buffer.putShort(Bfloat16.bits(value));
      }
    }
    Files.write(file, buffer.array());
  }

  private static byte[] padded(String json) {
    int length = json.getBytes(StandardCharsets.UTF_8).length;
    int padding = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    return (json + " ".repeat(padding)).getBytes(StandardCharsets.UTF_8);
  }
}
