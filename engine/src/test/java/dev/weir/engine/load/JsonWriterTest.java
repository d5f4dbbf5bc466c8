package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class JsonWriterTest {
  private static final JsonMapper MAPPER = JsonMapper.shared();

  @Test
  void plainValuesAreWrittenAsAMapperWould() {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("text", "a \"quote\", \u0001 and \uD83D\uDE00");
    value.put("numbers", List.of(1, -2L, 0.1f, 1e300));
    value.put("ints", new int[] {1, 2, 3});
    value.put("arrays", List.of(new long[] {Long.MAX_VALUE}, new double[] {0.5}));
    value.put("objects", new Object[] {1, "two", null});
    value.put("enum", Thread.State.NEW);
    value.put("biases", Map.of(5, 1.5f));
    value.put("nothing", Arrays.asList(true, null, Map.of(), List.of()));

    assertThat(JsonWriter.text(value)).isEqualTo(MAPPER.writeValueAsString(value));
  }

  @Test
  void treesAreWrittenAsTheyWereRead() {
    String text = "{\"a\":[1,2.5,\"x\",null,true,{\"b\":[]}],\"c\":{},\"d\":12345678901234567890}";
    JsonNode tree = MAPPER.readTree(text);

    assertThat(JsonWriter.text(tree)).isEqualTo(text);
    assertThat(JsonWriter.text(List.of(tree))).isEqualTo("[" + text + "]");
  }

  @Test
  void whatIsNoPlainValueIsRefused() {
    assertThatThrownBy(() -> JsonWriter.text(Thread.currentThread()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("java.lang.Thread");
  }
}
