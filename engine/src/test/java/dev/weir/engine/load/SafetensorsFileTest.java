package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.testing.SafetensorsBytes;
import dev.weir.kernels.DType;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsFileTest {

  private static final byte[] SIXTEEN = new byte[16];
  private static final String A16 =
      "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}";

  @TempDir Path folder;

  @Test
  void a_tensor_is_seen_with_its_name_type_shape_and_bytes() {
    Path path =
        new SafetensorsBytes()
            .tensor("first", "U8", List.of(3), new byte[] {1, 2, 3})
            .tensor("second", "BF16", List.of(2, 2), new byte[] {4, 5, 6, 7, 8, 9, 10, 11})
            .write(folder.resolve("m.safetensors"));

    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.names()).containsExactly("first", "second");
      assertThat(file.bytes()).isEqualTo(11);
      TensorView second = file.find("second").orElseThrow();
      assertThat(second.dtype()).isEqualTo(DType.BF16);
      assertThat(second.shape()).containsExactly(2L, 2L);
      assertThat(second.data().toArray(ValueLayout.JAVA_BYTE))
          .containsExactly(4, 5, 6, 7, 8, 9, 10, 11);
      assertThat(second.rows(1, 1).toArray(ValueLayout.JAVA_BYTE)).containsExactly(8, 9, 10, 11);
      assertThat(second.data().isReadOnly()).isTrue();
      assertThatThrownBy(() -> second.rows(1, 2)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThat(file.find("third")).isEmpty();
    }
  }

  @Test
  void a_released_tensor_reads_the_same_again() {
    byte[] bytes = new byte[100_000];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (i * 31);
    }
    Path path =
        new SafetensorsBytes()
            .tensor("a", "U8", List.of(bytes.length), bytes)
            .write(folder.resolve("m.safetensors"));

    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      TensorView a = file.find("a").orElseThrow();
      assertThat(a.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
      file.release(a);
      assertThat(a.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
    }
  }

  @Test
  void a_type_weir_does_not_compute_is_seen_but_refused_as_a_weight() {
    Path path =
        new SafetensorsBytes()
            .tensor("q", "F8_E4M3", List.of(2), new byte[2])
            .write(folder.resolve("m.safetensors"));

    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      TensorView q = file.find("q").orElseThrow();
      assertThatThrownBy(q::dtype)
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContaining("m.safetensors")
          .hasMessageContaining("'q'")
          .hasMessageContaining("F8_E4M3")
          .hasMessageContaining("BF16, F16 or F32");
    }
  }

  static Stream<Arguments> legal() {
    return Stream.of(
        Arguments.of("no tensors", SafetensorsBytes.file("{}", new byte[0])),
        Arguments.of("padded header", SafetensorsBytes.file(" {\n\t}  ", new byte[0])),
        Arguments.of("scalar", withEntry("F32", "", 0, 4, 4)),
        Arguments.of("empty tensor", withEntry("F32", "0,7", 0, 0, 0)),
        Arguments.of("packed 4-bit elements", withEntry("F4", "6", 0, 3, 3)),
        Arguments.of("packed 6-bit elements", withEntry("F6_E2M3", "4", 0, 3, 3)),
        Arguments.of(
            "metadata of strings",
            SafetensorsBytes.file("{\"__metadata__\":{\"k\":\"v\"}," + A16 + "}", SIXTEEN)),
        Arguments.of(
            "a name that looks like a path",
            SafetensorsBytes.file(
                "{\"../../etc/passwd\\u0000\":{\"dtype\":\"U8\",\"shape\":[16],"
                    + "\"data_offsets\":[0,16]}}",
                SIXTEEN)),
        Arguments.of("tensors listed in another order than their data", unordered()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("legal")
  void a_legal_file_is_opened(String why, byte[] bytes) {
    Path path = SafetensorsBytes.write(folder.resolve("m.safetensors"), bytes);

    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.bytes()).as(why).isLessThan(bytes.length);
    }
  }

  static Stream<Arguments> illegal() {
    byte[] json = ("{" + A16 + "}").getBytes(StandardCharsets.UTF_8);
    return Stream.of(
        Arguments.of("too few for a header", new byte[0]),
        Arguments.of("too few for a header", new byte[7]),
        Arguments.of("claims 1000 bytes", SafetensorsBytes.file(1000, json, SIXTEEN)),
        Arguments.of(
            "claims 9223372036854775808 bytes",
            SafetensorsBytes.file(Long.MIN_VALUE, json, SIXTEEN)),
        Arguments.of("claims 18446744073709551608 bytes", SafetensorsBytes.file(-8, json, SIXTEEN)),
        Arguments.of("claims 100000001 bytes", SafetensorsBytes.file(100_000_001, json, SIXTEEN)),
        Arguments.of("not a JSON object", SafetensorsBytes.file(0, new byte[0], new byte[0])),
        Arguments.of("not a JSON object", SafetensorsBytes.file("[]", new byte[0])),
        Arguments.of("not a JSON object", SafetensorsBytes.file("null", new byte[0])),
        Arguments.of("not valid JSON", SafetensorsBytes.file("{" + A16, SIXTEEN)),
        Arguments.of("follows the JSON", SafetensorsBytes.file("{" + A16 + "} {}", SIXTEEN)),
        Arguments.of("not valid UTF-8", SafetensorsBytes.file(1, new byte[] {-1}, new byte[0])),
        Arguments.of(
            "not valid JSON",
            SafetensorsBytes.file(
                2L * json.length, ("{" + A16 + "}").getBytes(StandardCharsets.UTF_16LE), SIXTEEN)),
        Arguments.of("Duplicate", SafetensorsBytes.file("{" + A16 + "," + A16 + "}", SIXTEEN)),
        Arguments.of(
            "Duplicate",
            SafetensorsBytes.file(
                "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[16],"
                    + "\"data_offsets\":[0,16]}}",
                SIXTEEN)),
        Arguments.of(
            "is not an object", SafetensorsBytes.file("{\"a\":" + "[".repeat(100_000), SIXTEEN)),
        Arguments.of("unknown dtype 'Q4_K'", withEntry("Q4_K", "2,2", 0, 16, 16)),
        Arguments.of("does not take the bytes", withEntry("F32", "2,3", 0, 16, 16)),
        Arguments.of("does not take the bytes", withEntry("F4", "33", 0, 16, 16)),
        Arguments.of("size beyond 64 bits", withEntry("F32", "4294967296,4294967296", 0, 0, 0)),
        Arguments.of("size beyond 64 bits", withEntry("F32", "4611686018427387904", 0, 0, 0)),
        Arguments.of("negative", withEntry("F32", "-2,-2", 0, 16, 16)),
        Arguments.of("negative or beyond", withEntry("F32", "18446744073709551616", 0, 16, 16)),
        Arguments.of("array of sizes", withEntry("F32", "4.0", 0, 16, 16)),
        Arguments.of("array of sizes", withEntry("F32", "\"4\"", 0, 16, 16)),
        Arguments.of("more than 16 numbers", withEntry("U8", "1" + ",1".repeat(16), 0, 1, 1)),
        Arguments.of("does not take the bytes", withEntry("U8", "16", 16, 0, 16)),
        Arguments.of("gap", withEntry("U8", "8", 8, 16, 16)),
        Arguments.of("data: has 17 bytes", withEntry("U8", "16", 0, 16, 17)),
        Arguments.of("data: has 15 bytes", withEntry("U8", "16", 0, 16, 15)),
        Arguments.of(
            "data: has 16 bytes",
            withEntry("U8", "1152921504606846975", 0, 1152921504606846975L, 16)),
        Arguments.of("size beyond", withEntry("F32", "9223372036854775807", 0, 4, 16)),
        Arguments.of("overlaps", overlapping(2)),
        Arguments.of("overlaps", overlapping(20_000)),
        Arguments.of("more than 262144 tensors", overlapping((1 << 18) + 1)),
        Arguments.of(
            "needs a dtype",
            SafetensorsBytes.file("{\"a\":{\"dtype\":\"U8\",\"shape\":[16]}}", SIXTEEN)),
        Arguments.of(
            "two data_offsets",
            SafetensorsBytes.file(
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[16]}}", SIXTEEN)),
        Arguments.of(
            "more than 2 numbers",
            SafetensorsBytes.file(
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,8,16]}}", SIXTEEN)),
        Arguments.of(
            "unknown property 'strides'",
            SafetensorsBytes.file("{\"a\":{\"strides\":[1],\"dtype\":\"U8\"}}", SIXTEEN)),
        Arguments.of(
            "object of strings",
            SafetensorsBytes.file("{\"__metadata__\":{\"k\":{}}," + A16 + "}", SIXTEEN)),
        Arguments.of(
            "'\\u0000\\u001b[31m'", SafetensorsBytes.file("{\"\\u0000\\u001b[31m\":{}}", SIXTEEN)));
  }

  @ParameterizedTest(name = "[{index}] {0}")
  @MethodSource("illegal")
  void an_illegal_file_is_refused_with_its_name_and_what_is_wrong(String message, byte[] bytes) {
    Path path = SafetensorsBytes.write(folder.resolve("bad.safetensors"), bytes);

    assertThatThrownBy(() -> SafetensorsFile.open(path))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("bad.safetensors")
        .hasMessageContaining(message)
        .satisfies(e -> assertThat(((ModelLoadException) e).path()).isEqualTo(path))
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\u001b").hasSizeLessThan(2000));
  }

  @Test
  void a_file_cut_at_any_byte_is_refused() {
    byte[] whole = new SafetensorsBytes().tensor("a", "F32", List.of(2, 2), SIXTEEN).bytes();
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      Path path = SafetensorsBytes.write(folder.resolve("cut" + length), cut);
      assertThatThrownBy(() -> SafetensorsFile.open(path))
          .as("cut to %d bytes", length)
          .isInstanceOf(ModelLoadException.class);
    }
  }

  @Test
  void a_missing_file_or_a_directory_is_refused() {
    assertThatThrownBy(() -> SafetensorsFile.open(folder.resolve("none")))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("no such file");
    assertThatThrownBy(() -> SafetensorsFile.open(folder)).isInstanceOf(ModelLoadException.class);
  }

  private static byte[] withEntry(String dtype, String shape, long begin, long end, int bytes) {
    String header =
        "{\"a\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}}"
            .formatted(dtype, shape, begin, end);
    return SafetensorsBytes.file(header, new byte[bytes]);
  }

  private static byte[] unordered() {
    return SafetensorsBytes.file(
        "{\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,16]},"
            + "\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
        SIXTEEN);
  }

  private static byte[] overlapping(int count) {
    String entries =
        IntStream.range(0, count)
            .mapToObj(
                i -> "\"%d\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}".formatted(i))
            .collect(Collectors.joining(","));
    return SafetensorsBytes.file("{" + entries + "}", new byte[8]);
  }
}
