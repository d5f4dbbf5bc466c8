package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.weir.engine.testing.SafetensorsBytes;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsFuzzTest {

  private static final long SEED = 20261121;
  private static final int ROUNDS = 3000;

  /** Generous for a file of 300 bytes (first use loads classes), and far below what they claim. */
  private static final long MAX_ALLOCATED_BYTES = 16 << 20;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final List<String> SPLICES =
      List.of(
          "-1",
          "1e9",
          "9223372036854775807",
          "18446744073709551615",
          "null",
          "{}",
          "[]",
          "[[[[",
          "\"F32\"",
          "\"BF16\"",
          "0",
          "16",
          ",",
          ":",
          "}",
          "\\u0000",
          "\"data_offsets\":[0,0]",
          "\"a\"",
          "\u00e9");

  @TempDir Path folder;

  @Test
  void whatever_the_bytes_say_a_file_is_opened_consistently_or_refused() {
    byte[] valid =
        new SafetensorsBytes()
            .tensor("a", "F32", List.of(2, 2), new byte[16])
            .tensor("model.layers.0.weight", "BF16", List.of(4), new byte[8])
            .tensor("empty", "U8", List.of(0, 9), new byte[0])
            .bytes();
    Random random = new Random(SEED);
    Path path = folder.resolve("fuzz.safetensors");
    int opened = 0;
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] mutant = mutate(valid, random);
      SafetensorsBytes.write(path, mutant);
      long allocatedBefore = THREADS.getCurrentThreadAllocatedBytes();
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        long total = 0;
        for (String name : file.names()) {
          TensorView tensor = file.find(name).orElseThrow();
          long bits = tensor.elements() * tensor.type().bits();
          assertThat(tensor.data().byteSize() * 8).as("round %d", round).isEqualTo(bits);
          total += tensor.data().toArray(ValueLayout.JAVA_BYTE).length;
        }
        assertThat(total).as("round %d", round).isEqualTo(file.bytes());
        assertThat(total).as("round %d", round).isLessThan(mutant.length);
        opened++;
      } catch (ModelLoadException e) {
        assertThat(e.getMessage()).as("round %d", round).contains("fuzz.safetensors");
        refused++;
      }
      assertThat(THREADS.getCurrentThreadAllocatedBytes() - allocatedBefore)
          .as("bytes allocated in round %d", round)
          .isLessThan(MAX_ALLOCATED_BYTES);
    }
    // Both outcomes must occur, or the mutations are too wild or too tame to test anything.
    assertThat(opened).isGreaterThan(ROUNDS / 100);
    assertThat(refused).isGreaterThan(ROUNDS / 2);
  }

  private static byte[] mutate(byte[] valid, Random random) {
    int headerEnd = valid.length - 24;
    byte[] bytes = valid.clone();
    for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
      int at = Long.BYTES + random.nextInt(headerEnd - Long.BYTES);
      switch (random.nextInt(5)) {
        case 0 -> bytes[Math.min(at, bytes.length - 1)] = (byte) random.nextInt(256);
        case 1 -> bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes = Arrays.copyOf(bytes, 1 + random.nextInt(bytes.length + 8));
        case 3 -> bytes = spliced(bytes, Math.min(at, bytes.length), random);
        default -> bytes[random.nextInt(Math.min(bytes.length, Long.BYTES))]++;
      }
    }
    return bytes;
  }

  /** Puts a troublesome piece of JSON into the header, and usually corrects the length for it. */
  private static byte[] spliced(byte[] bytes, int at, Random random) {
    byte[] piece = SPLICES.get(random.nextInt(SPLICES.size())).getBytes(StandardCharsets.UTF_8);
    int overwritten = Math.min(random.nextInt(4), bytes.length - at);
    byte[] result = new byte[bytes.length + piece.length - overwritten];
    System.arraycopy(bytes, 0, result, 0, at);
    System.arraycopy(piece, 0, result, at, piece.length);
    System.arraycopy(
        bytes, at + overwritten, result, at + piece.length, bytes.length - at - overwritten);
    if (random.nextInt(4) > 0) {
      result[0] += (byte) (piece.length - overwritten);
    }
    return result;
  }
}
