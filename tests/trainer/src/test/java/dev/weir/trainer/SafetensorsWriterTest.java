package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bytes that the writer leaves. */
final class SafetensorsWriterTest {
  @TempDir private Path directory;

  @Test
  void theFileIsHeaderLengthThenHeaderThenTheTensorsEndToEnd() throws IOException {
    Map<String, SafetensorsWriter.Tensor> tensors = new LinkedHashMap<>();
    tensors.put(
        "b", new SafetensorsWriter.Tensor(new long[] {2, 3}, new float[] {1, 2, 3, 4, 5, 6}));
    tensors.put("a", new SafetensorsWriter.Tensor(new long[] {1}, new float[] {-0.5f}));

    ByteBuffer file = written(tensors);

    byte[] json = new byte[Math.toIntExact(file.getLong())];
    file.get(json);
    JsonNode header = JsonMapper.shared().readTree(json);
    assertThat(header.at("/b/dtype").asString()).isEqualTo("BF16");
    assertThat(header.at("/b/shape").toString()).isEqualTo("[2,3]");
    assertThat(header.at("/b/data_offsets").toString()).isEqualTo("[0,12]");
    assertThat(header.at("/a/data_offsets").toString()).isEqualTo("[12,14]");
    assertThat(file.position() % 8).isZero();
    for (int value = 1; value <= 6; value++) {
      assertThat(read(file)).isEqualTo(value);
    }
    assertThat(read(file)).isEqualTo(-0.5f);
    assertThat(file.hasRemaining()).isFalse();
  }

  @Test
  void whatWasWrittenIsReadBackRounded() throws IOException {
    Dice dice = new Dice(32);
    float[] values = new float[60];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) dice.gaussian();
    }
    SafetensorsWriter.Tensor tensor = new SafetensorsWriter.Tensor(new long[] {5, 12}, values);

    written(Map.of("w", tensor));

    Map<String, float[]> read = SafetensorsReader.read(directory.resolve("model.safetensors"));
    assertThat(read).containsOnlyKeys("w");
    assertThat(read.get("w")).containsExactly(Bfloat16.round(values));
  }

  @Test
  void aShapeThatDoesNotHoldTheValuesIsRefused() {
    assertThatThrownBy(() -> new SafetensorsWriter.Tensor(new long[] {2, 2}, new float[3]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 values");
  }

  @Test
  void roundingGoesToTheNearestAndHalfwayToTheEvenOne() {
    Dice dice = new Dice(31);
    for (int i = 0; i < 10_000; i++) {
      float value = (float) (dice.gaussian() * Math.pow(10, dice.between(-20, 20)));
      float rounded = Bfloat16.round(value);
      float step = Math.ulp(value) * (1 << 16);
      assertThat(Math.abs(rounded - value)).isLessThanOrEqualTo(step / 2);
      assertThat(Float.floatToRawIntBits(rounded) & 0xFFFF).isZero();
    }
    assertThat(Bfloat16.round(Float.intBitsToFloat(0x3F80_8000))).isEqualTo(1f);
    assertThat(Bfloat16.bits(Float.intBitsToFloat(0x3F81_8000))).isEqualTo((short) 0x3F82);
    assertThat(Bfloat16.round(Float.NaN)).isNaN();
    assertThat(Bfloat16.round(Float.NEGATIVE_INFINITY)).isEqualTo(Float.NEGATIVE_INFINITY);
  }

  private ByteBuffer written(Map<String, SafetensorsWriter.Tensor> tensors) throws IOException {
    Path file = directory.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors);
    return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static float read(ByteBuffer file) {
    return Float.intBitsToFloat(file.getShort() << 16);
  }
}
