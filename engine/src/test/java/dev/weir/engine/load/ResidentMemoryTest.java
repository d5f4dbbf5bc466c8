package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResidentMemoryTest {

  private static final int TENSORS = 16;
  private static final int TENSOR_BYTES = 16 << 20;
  private static final int PAGE_BYTES = 4096;
  private static final Path STATUS = Path.of("/proc/self/status");

  @TempDir Path folder;

  @Test
  void reading_and_releasing_tensor_by_tensor_keeps_no_more_than_one_resident() throws IOException {
    assumeTrue(Files.exists(STATUS), "skipped: no /proc/self/status here");
    Path path = bigFile();
    long unused = 0;
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      long before = residentFileBytes();
      for (String name : file.names()) {
        TensorView tensor = file.find(name).orElseThrow();
        unused += touch(tensor);
        long during = residentFileBytes() - before;
        assertThat(during).as("holding %s", name).isBetween(TENSOR_BYTES / 2L, 2L * TENSOR_BYTES);
        file.release(tensor);
      }
      assertThat(residentFileBytes() - before).isLessThan(TENSOR_BYTES);
    }
    assertThat(unused).isZero();
  }

  private static long touch(TensorView tensor) {
    long sum = 0;
    for (long at = 0; at < tensor.data().byteSize(); at += PAGE_BYTES) {
      sum += tensor.data().get(ValueLayout.JAVA_BYTE, at);
    }
    return sum;
  }

  private Path bigFile() throws IOException {
    String header =
        IntStream.range(0, TENSORS)
            .mapToObj(
                i ->
                    "\"t%d\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]}"
                        .formatted(
                            i, TENSOR_BYTES, (long) i * TENSOR_BYTES, (i + 1L) * TENSOR_BYTES))
            .collect(Collectors.joining(",", "{", "}"));
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer start = ByteBuffer.allocate(Long.BYTES + json.length).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(json.length).put(json).flip();
    Path path = folder.resolve("big.safetensors");
    try (FileChannel channel =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      channel.write(start);
      // A hole up to the last byte: it reads as zeros and takes no disk.
      long end = start.capacity() + (long) TENSORS * TENSOR_BYTES;
      channel.write(ByteBuffer.allocate(1), end - 1);
    }
    return path;
  }

  private static long residentFileBytes() throws IOException {
    return Files.readAllLines(STATUS).stream()
        .filter(line -> line.startsWith("RssFile:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
        .findFirst()
        .orElseThrow();
  }
}
