package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.testing.SharedData;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Bodies that were sent to such servers to break them; each gets its error, and the next its
 * answer.
 */
final class HostileRequestsTest {
  private static final String CHAT_BASE = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],";
  private static final String COMPLETION_BASE = "{\"prompt\":\"hi\",";

  /** Words about settings that no client has. */
  private static final Pattern THE_PARSERS_OWN =
      Pattern.compile("`|\\[Source|Feature|StreamRead|JsonNode|enabl", Pattern.CASE_INSENSITIVE);

  private static void answersNext(ApiFixture api) throws Exception {
    assertThat(api.post("/v1/completions", "{\"prompt\":\"hi\"}").statusCode()).isEqualTo(200);
  }

  @TestFactory
  List<DynamicTest> everyRecordedBodyGetsItsStatus() {
    // The mapper that reads the cases takes NaN as the cases' writer did.
    JsonNode cases =
        JsonMapper.builder()
            .enable(tools.jackson.core.json.JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build()
            .readTree(SharedData.require("data/hostile/requests.json").toFile())
            .get("api");
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode one : cases) {
      JsonNode body = one.get("body");
      boolean raw = body.isString() && body.stringValue().startsWith("{");
      if (body.isObject() || raw) {
        String json = raw ? body.stringValue() : body.toString();
        String name = one.get("name").stringValue();
        String expect = one.get("expect").stringValue();
        tests.add(DynamicTest.dynamicTest(name, () -> check(json, expect)));
      }
    }
    assertThat(tests).hasSizeGreaterThan(20);
    return tests;
  }

  private static void check(String json, String expect) throws Exception {
    try (ApiFixture api = new ApiFixture()) {
      boolean completion = json.contains("\"prompt") || json.contains("\"echo\"");
      boolean whole = json.contains("\"messages\"") || json.contains("\"prompt\"");
      String merged = whole ? json : (completion ? COMPLETION_BASE : CHAT_BASE) + json.substring(1);
      HttpResponse<String> response =
          api.post(completion ? "/v1/completions" : "/v1/chat/completions", merged);
      boolean mayWork = expect.contains(" or ");
      if (!mayWork || response.statusCode() != 200) {
        assertThat(response.statusCode())
            .as(merged + " -> " + response.body())
            .isEqualTo(expect.startsWith("404") ? 404 : 400);
        JsonNode error = ApiFixture.parse(response.body()).get("error");
        assertThat(error.get("message").stringValue()).isNotBlank().hasSizeLessThan(400);
      }
      answersNext(api);
    }
  }

  @Test
  void bodiesThatAreNoTextOrNoJsonAreRefused() throws Exception {
    try (ApiFixture api = new ApiFixture()) {
      List<byte[]> bodies = new ArrayList<>();
      for (String text :
          List.of(
              "",
              " ",
              "nonsense",
              "[]",
              "null",
              "\"a\"",
              "{\"prompt\":\"a\"} trailing",
              "{\"prompt\":\"a\",}",
              "{\"prompt\":\"a\"",
              "{\"prompt\":\"a\",\"prompt\":\"b\"}",
              "{\"prompt\":\"\\ud800\"}",
              "{\"prompt\":\"a\",\"x\":{\"y\":[\"\\udc00\\ud800\"]}}",
              "{\"prompt\":\"a\",\"\\ud800\":1}",
              "{\"prompt\":\"a\",\"seed\":" + "9".repeat(100_000) + "}",
              "{\"prompt\":\"a\",\"temperature\":NaN}",
              "{\"prompt\":\"a\",\"temperature\":1e999}",
              "{\"prompt\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}",
              "{\"prompt\":\"a\",\"x\":"
                  + "{\"a\":".repeat(50_000)
                  + "1"
                  + "}".repeat(50_000)
                  + "}")) {
        bodies.add(text.getBytes(StandardCharsets.UTF_8));
      }
      bodies.add(new byte[] {'{', '"', (byte) 0xc0, (byte) 0xaf, '"', ':', '1', '}'});
      bodies.add("{\"prompt\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1));
      bodies.add("{\"prompt\":\"a\"}".getBytes(StandardCharsets.UTF_16));
      for (byte[] body : bodies) {
        HttpResponse<String> response = api.post("/v1/completions", body, "application/json");
        String shown = new String(body, 0, Math.min(40, body.length), StandardCharsets.ISO_8859_1);
        assertThat(response.statusCode()).as(shown + " -> " + response.body()).isEqualTo(400);
        assertThat(ApiFixture.parse(response.body()).at("/error/message").stringValue())
            .as(shown)
            .isNotBlank()
            .hasSizeLessThan(400)
            .doesNotContainPattern(THE_PARSERS_OWN);
      }
      answersNext(api);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '#',
      value = {
        "{'n':NaN} | NaN is no JSON value; JSON's numbers are finite",
        "{'n':Infinity} | Infinity is no JSON value",
        "{'n':-Infinity} | -Infinity is no JSON value",
        "{'n':+1} | plus sign",
        "{'n':.5} | '.'",
        "{'n':0x10} | JSON's numbers are decimal",
        "{'n':01} | Leading zeroes not allowed",
        "{'n':1} // told | JSON has no comments",
        "{'n':1} {} | there is something behind its end",
        "{'n':tru} | 'tru'",
        "{'n':'a | closing quote",
        "{'n':[1 | expected close marker for Array",
        "{'n':1] | expected '}'",
        "{'n':1,'n':2} | Duplicate Object property",
        "{n:1} | property name",
      })
  void whatIsNoJsonIsExplainedInItsOwnTerms(String body, String what) throws Exception {
    try (ApiFixture api = new ApiFixture()) {
      HttpResponse<String> response = api.post("/v1/completions", body.replace('\'', '"'));
      assertThat(response.statusCode()).isEqualTo(400);
      assertThat(ApiFixture.parse(response.body()).at("/error/message").stringValue())
          .matches("the request body is not valid JSON \\(line 1, column \\d+\\): .*")
          .contains(what)
          .doesNotContainPattern(THE_PARSERS_OWN);
    }
  }

  @Test
  void aBodyOfMillionsOfValuesIsRefused() throws Exception {
    try (ApiFixture api = new ApiFixture()) {
      String huge = "{\"prompt\":[" + "1,".repeat(5_000_000) + "1]}";
      HttpResponse<String> response = api.post("/v1/completions", huge);
      assertThat(response.statusCode()).isEqualTo(400);
      assertThat(response.body()).doesNotContainPattern(THE_PARSERS_OWN);
      answersNext(api);
    }
  }
}
