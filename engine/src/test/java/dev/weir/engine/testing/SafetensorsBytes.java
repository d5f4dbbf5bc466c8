package dev.weir.engine.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Writes safetensors files for tests: well-formed ones by tensor, hostile ones by the byte. */
public final class SafetensorsBytes {

  private final List<String> entries = new ArrayList<>();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();

  /** Adds a tensor behind those before it. */
  public SafetensorsBytes tensor(String name, String dtype, List<Integer> shape, byte[] bytes) {
    int begin = data.size();
    data.writeBytes(bytes);
    String dimensions = shape.stream().map(String::valueOf).collect(Collectors.joining(","));
    entries.add(
        "\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
            .formatted(name, dtype, dimensions, begin, data.size()));
    return this;
  }

  /** The file's bytes. */
  public byte[] bytes() {
    return file("{" + String.join(",", entries) + "}", data.toByteArray());
  }

  /** Writes the file. */
  public Path write(Path file) {
    return write(file, bytes());
  }

  /** A file with this header, its length told truly, and this data. */
  public static byte[] file(String header, byte[] data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return file(json.length, json, data);
  }

  /** A file that tells any header length. */
  public static byte[] file(long length, byte[] json, byte[] data) {
    return ByteBuffer.allocate(Long.BYTES + json.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(length)
        .put(json)
        .put(data)
        .array();
  }

  /** Writes bytes to a file. */
  public static Path write(Path file, byte[] bytes) {
    try {
      return Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
