package dev.weir.engine.text.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.weir.engine.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** Every case that jinja2 itself decided: what it rendered we render, what it refused we refuse. */
class OracleTest {

  private static final String TEMPLATES = "data/chat_templates/";
  private static final ObjectMapper JSON = JsonMapper.shared();

  private static Clock clock(String time) {
    return Clock.fixed(Instant.parse(time), ZoneOffset.UTC);
  }

  private static final Clock MATRIX_CLOCK = clock("2025-01-31T12:00:00Z");
  private static final Clock HUGGINGFACE_JS_CLOCK = clock("2025-07-10T00:00:00Z");

  private static JsonNode read(String file) {
    return JSON.readTree(SharedData.require(TEMPLATES + file).toFile());
  }

  private static String source(String file) throws IOException {
    Path path = SharedData.require(TEMPLATES + file);
    return file.endsWith(".json")
        ? JSON.readTree(path.toFile()).get("chat_template").asString()
        : Files.readString(path);
  }

  @TestFactory
  Stream<DynamicNode> real_templates_render_every_conversation_as_jinja2_does() {
    JsonNode matrix = read("rendered_matrix.json");
    List<DynamicNode> containers = new ArrayList<>();
    for (JsonNode entry : matrix.get("templates")) {
      String file = entry.get("template_file").asString();
      List<DynamicTest> tests = new ArrayList<>();
      for (Map.Entry<String, JsonNode> expected : entry.get("expected").properties()) {
        Map<String, Object> variables = new LinkedHashMap<>();
        variables.put("tools", null);
        variables.put("documents", null);
        variables.put("bos_token", "<s>");
        variables.put("eos_token", "</s>");
        variables.put("pad_token", "<pad>");
        variables.put("unk_token", "<unk>");
        variables.putAll(values(matrix.get("conversations").get(expected.getKey())));
        tests.add(
            dynamicTest(
                file + " / " + expected.getKey(),
                () -> check(source(file), variables, MATRIX_CLOCK, expected.getValue())));
      }
      containers.add(dynamicContainer(file, tests));
    }
    return containers.stream();
  }

  @TestFactory
  Stream<DynamicTest> the_language_cases_of_llama_cpp_come_out_as_in_jinja2() {
    return cases(read("jinja_unit_cases.json"), MATRIX_CLOCK);
  }

  @TestFactory
  Stream<DynamicTest> the_language_cases_of_huggingface_js_come_out_as_in_jinja2() {
    return cases(read("hfjs_jinja_unit.json"), HUGGINGFACE_JS_CLOCK);
  }

  private static Stream<DynamicTest> cases(JsonNode file, Clock clock) {
    return file.get("cases")
        .valueStream()
        .map(
            one ->
                dynamicTest(
                    one.path("group").asString("") + " / " + one.get("name").asString(),
                    () ->
                        check(
                            one.get("template").asString(),
                            values(one.get("vars")),
                            clock,
                            one.get("jinja2"))));
  }

  @TestFactory
  Stream<DynamicTest> the_chat_cases_of_llama_cpp_come_out_as_in_jinja2() {
    return read("chat_template_cases.json")
        .get("cases")
        .valueStream()
        .map(
            one -> {
              Map<String, Object> variables = new LinkedHashMap<>();
              for (String name : List.of("bos_token", "eos_token", "add_generation_prompt")) {
                variables.put(name, value(one.get(name)));
              }
              variables.put("messages", value(one.get("messages")));
              return dynamicTest(
                  one.get("name").asString(),
                  () ->
                      check(
                          one.get("template").asString(),
                          variables,
                          MATRIX_CLOCK,
                          one.get("jinja2")));
            });
  }

  private static Object value(JsonNode node) {
    return JSON.convertValue(node, Object.class);
  }

  private static Map<String, Object> values(JsonNode node) {
    Map<String, Object> values = new LinkedHashMap<>();
    node.properties().forEach(entry -> values.put(entry.getKey(), value(entry.getValue())));
    return values;
  }

  private static void check(
      String template, Map<String, Object> variables, Clock clock, JsonNode expected) {
    if (expected.has("error")) {
      assertThatThrownBy(
              () -> Template.parse(template).render(variables, clock, RenderLimits.DEFAULT))
          .as("jinja2 says: %s", expected.get("error").asString())
          .isInstanceOf(TemplateException.class)
          .isNotInstanceOf(TemplateLimitException.class);
    } else {
      assertThat(Template.parse(template).render(variables, clock, RenderLimits.DEFAULT))
          .isEqualTo(expected.get("text").asString());
    }
  }
}
