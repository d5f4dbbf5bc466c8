package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Shards and steps, as who watches the engine sees them. */
final class EngineEndpointsTest {
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

  private JsonNode ok(String path) throws Exception {
    HttpResponse<String> response = api.get(path);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return ApiFixture.parse(response.body());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/v1/weir/steps?after=-2",
        "/v1/weir/steps?after=",
        "/v1/weir/steps?after=1e3",
        "/v1/weir/steps?after=NaN"
      })
  void whatNoNameAndNoNumberIsIsRefused(String path) throws Exception {
    HttpResponse<String> response = api.get(path);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
    assertThat(ApiFixture.parse(response.body()).at("/error/message").stringValue())
        .isNotBlank()
        .hasSizeLessThan(400);
  }

  @Test
  void shardsTellWhatTheyHold() throws Exception {
    JsonNode list = ok("/v1/weir/shards");
    assertThat(list.get("data")).hasSize(ScriptedModel.SHARDS);
    assertThat(list.at("/data/3"))
        .hasToString(
            "{\"shard\":3,\"device\":1,\"device_name\":\"device 1\",\"open\":false,\"blocks\":40,"
                + "\"held_blocks\":13,\"leased_blocks\":2,\"cached_blocks\":5,\"running\":3}");
  }

  @Test
  void stepsAreFollowedFromWhereOneStopped() throws Exception {
    assertThat(ok("/v1/weir/steps").get("data")).as("no step yet").isEmpty();
    api.model.steps = 3;
    JsonNode list = ok("/v1/weir/steps");
    assertThat(list.get("data")).hasSize(3);
    assertThat(list.at("/data/2"))
        .hasToString(
            "{\"number\":2,\"device\":1,\"end_ms\":2.0,\"ms\":0.5,\"predicted_ms\":0.4,"
                + "\"predicted_decode_ms\":0.3,\"decode_rows\":4,\"prefill_tokens\":512,"
                + "\"prefills\":2}");
    assertThat(ok("/v1/weir/steps?after=1").get("data")).hasSize(1);
    assertThat(ok("/v1/weir/steps?after=2").get("data")).isEmpty();
    assertThat(ok("/v1/weir/steps?after=999999999999999999").get("data")).isEmpty();
    api.model.steps = 10_000;
    list = ok("/v1/weir/steps");
    assertThat(list.get("data")).hasSize(4096);
    assertThat(list.get("has_more").booleanValue()).isTrue();
  }
}
