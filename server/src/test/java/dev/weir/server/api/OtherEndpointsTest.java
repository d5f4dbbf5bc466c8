package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Models, tokens, health, metrics, and what is not there. */
final class OtherEndpointsTest {
  @SuppressWarnings("NullAway.Init")
  private ApiFixture api;

  @BeforeEach
  void serve() throws IOException {
    api = new ApiFixture();
  }

  @AfterEach
  void stop() {
    api.close();
  }

  @Test
  void theServedModelIsListedAndFoundByItsName() throws Exception {
    JsonNode list = ApiFixture.parse(api.get("/v1/models").body());
    assertThat(list.at("/data/0/id").stringValue()).isEqualTo("scripted/model");
    JsonNode one = ApiFixture.parse(api.get("/v1/models/scripted/model").body());
    assertThat(one).isEqualTo(list.at("/data/0"));
    assertThat(api.get("/v1/models/other").statusCode()).isEqualTo(404);
    OpenAiSchema schema = OpenAiSchema.load();
    assertThat(schema.problems("ListModelsResponse", list)).isEmpty();
    assertThat(schema.problems("Model", one)).isEmpty();
  }

  @Test
  void tokenizeAndDetokenizeAreInverse() throws Exception {
    JsonNode tokens =
        ApiFixture.parse(
            api.post("/tokenize", "{\"prompt\":\"né\",\"return_token_strs\":true}").body());
    assertThat(tokens.toString())
        .isEqualTo(
            "{\"count\":2,\"max_model_len\":4096,\"tokens\":[110,233],\"token_strs\":[\"n\",\"é\"]}");
    assertThat(api.post("/detokenize", "{\"tokens\":[110,233]}").body())
        .isEqualTo("{\"prompt\":\"né\"}");
    assertThat(api.post("/detokenize", "{\"tokens\":[]}").body()).isEqualTo("{\"prompt\":\"\"}");
    assertThat(
            ApiFixture.parse(
                    api.post("/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}")
                        .body())
                .get("count")
                .intValue())
        .isPositive();
    HttpResponse<String> bad = api.post("/detokenize", "{\"tokens\":[1,1000]}");
    assertThat(bad.statusCode()).isEqualTo(400);
    assertThat(ApiFixture.parse(bad.body()).at("/error/param").stringValue())
        .isEqualTo("tokens[1]");
  }

  @Test
  void healthFollowsTheHeartbeat() throws Exception {
    assertThat(api.get("/health").statusCode()).isEqualTo(200);
    api.heartbeatAge.set(Duration.ofSeconds(2).toNanos());
    HttpResponse<String> stuck = api.get("/health");
    assertThat(stuck.statusCode()).isEqualTo(503);
    assertThat(stuck.body()).isEqualTo("{\"status\":\"stuck\",\"heartbeat_age_ms\":2000}");
    api.heartbeatAge.set(0);
    assertThat(api.get("/health").statusCode()).isEqualTo(200);
  }

  @Test
  void metricsArePrometheusText() throws Exception {
    HttpResponse<String> metrics = api.get("/metrics");
    assertThat(metrics.body()).contains("# TYPE weir_test_total counter", "weir_test_total 3.0");
    assertThat(metrics.headers().firstValue("content-type").orElseThrow()).startsWith("text/plain");
  }

  @Test
  void whatIsNotThereIsAnErrorInOpenAisShape() throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    HttpResponse<String> nowhere = api.get("/v2/nothing");
    assertThat(nowhere.statusCode()).isEqualTo(404);
    HttpResponse<String> wrongMethod = api.get("/v1/completions");
    assertThat(wrongMethod.statusCode()).isEqualTo(405);
    assertThat(wrongMethod.headers().firstValue("allow")).contains("POST");
    HttpResponse<String> wrongType =
        api.post("/v1/completions", "{}".getBytes(StandardCharsets.UTF_8), "text/plain");
    assertThat(wrongType.statusCode()).isEqualTo(415);
    for (HttpResponse<String> response : List.of(nowhere, wrongMethod, wrongType)) {
      assertThat(schema.problems("ErrorResponse", ApiFixture.parse(response.body()))).isEmpty();
    }
  }
}
