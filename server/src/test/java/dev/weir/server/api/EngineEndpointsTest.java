package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.request.SessionInfo;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Sessions, shards and steps, as who watches the engine sees them. */
final class EngineEndpointsTest {
  private static final int MILLION = 1_000_000;

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

  private static SessionInfo session(String id, int active, long idleNanos) {
    return new SessionInfo(id, active, 7, 900, 640, 192, active == 0 ? 2 : -1, idleNanos, 500_000);
  }

  private void add(SessionInfo session) {
    api.model.sessions.put(session.id(), session);
  }

  private JsonNode ok(String path) throws Exception {
    HttpResponse<String> response = api.get(path);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return ApiFixture.parse(response.body());
  }

  private static List<String> ids(JsonNode list) {
    List<String> ids = new ArrayList<>();
    list.get("data").forEach(one -> ids.add(one.get("id").stringValue()));
    return ids;
  }

  @Test
  void sessionsAreListedTheLatestFirst() throws Exception {
    add(session("old", 0, 9_000_000));
    add(session("now", 1, 0));
    add(session("new", 0, 1_500_000));
    JsonNode list = ok("/v1/sessions");
    assertThat(ids(list)).containsExactly("now", "new", "old");
    assertThat(list.get("total").intValue()).isEqualTo(3);
    assertThat(list.get("has_more").booleanValue()).isFalse();
    assertThat(list.at("/data/1"))
        .hasToString(
            "{\"id\":\"new\",\"object\":\"session\",\"active_requests\":0,\"turns\":7,"
                + "\"tokens\":900,\"device_tokens\":640,\"host_tokens\":192,\"shard\":2,"
                + "\"idle_ms\":1.5,\"lease_ms\":0.5}");
    assertThat(list.at("/data/0/shard").isNull()).as("it has not run yet").isTrue();
    list = ok("/v1/sessions?limit=1");
    assertThat(ids(list)).containsExactly("now");
    assertThat(list.get("has_more").booleanValue()).isTrue();
  }

  @Test
  void oneSessionIsFoundAndEndedByItsPercentEncodedName() throws Exception {
    add(session("a/b é?", 0, 1));
    assertThat(ok("/v1/sessions/a%2Fb%20%C3%A9%3F").get("id").stringValue()).isEqualTo("a/b é?");
    HttpResponse<String> ended = api.delete("/v1/sessions/a%2Fb%20%C3%A9%3F");
    assertThat(ended.statusCode()).isEqualTo(204);
    assertThat(ended.body()).isEmpty();
    assertThat(api.get("/v1/sessions/a%2Fb%20%C3%A9%3F").statusCode()).isEqualTo(404);
    assertThat(api.delete("/v1/sessions/a%2Fb%20%C3%A9%3F").statusCode()).isEqualTo(404);
  }

  @Test
  void anUnknownSessionIs404AndAnEvictedOne410WithTheReason() throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    api.model.evicted.put("gone", "its lease ran out");
    for (HttpResponse<String> response :
        List.of(api.get("/v1/sessions/gone"), api.delete("/v1/sessions/gone"))) {
      assertThat(response.statusCode()).isEqualTo(410);
      JsonNode body = ApiFixture.parse(response.body());
      assertThat(schema.problems("ErrorResponse", body)).isEmpty();
      assertThat(body.at("/error/code").stringValue()).isEqualTo("session_evicted");
      assertThat(body.at("/error/message").stringValue()).contains("its lease ran out");
    }
    HttpResponse<String> unknown = api.get("/v1/sessions/nobody");
    assertThat(unknown.statusCode()).isEqualTo(404);
    assertThat(ApiFixture.parse(unknown.body()).at("/error/code").stringValue())
        .isEqualTo("session_not_found");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/v1/sessions/a%00b",
        "/v1/sessions/a%0d%0aX:%201",
        "/v1/sessions/%C2%85",
        "/v1/sessions?limit=0",
        "/v1/sessions?limit=10001",
        "/v1/sessions?limit=ten",
        "/v1/sessions?limit=1&limit=2",
        "/v1/sessions?limit=99999999999999999999",
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

  @ParameterizedTest
  @CsvSource({
    "%FF, %FF, 14",
    "a%80b, %80, 15",
    "a%C3b, %C3, 15",
    "a%2Fb%C3, %C3, 19",
    "%C3%A9%C0%AF, %C0, 20",
    "%ED%A0%80, %ED, 14",
    "%F5%80%80%80, %F5, 14",
    "%F0%9F%9A, %F0, 14",
  })
  void aNameThatIsNoTextIsRefusedAndTheBytesNamed(String name, String wrong, int character)
      throws Exception {
    for (HttpResponse<String> response :
        List.of(api.get("/v1/sessions/" + name), api.delete("/v1/sessions/" + name))) {
      assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
      assertThat(ApiFixture.parse(response.body()).at("/error/message").stringValue())
          .contains("UTF-8", wrong + " at character " + character + " ");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"%F0%9F%9A%80", "%EF%BF%BD", "a%C3%A9b%E2%82%AC"})
  void aNameInAnyScriptIsLookedFor(String name) throws Exception {
    HttpResponse<String> response = api.get("/v1/sessions/" + name);
    assertThat(response.statusCode()).isEqualTo(404);
    assertThat(ApiFixture.parse(response.body()).at("/error/code").stringValue())
        .isEqualTo("session_not_found");
  }

  @Test
  void aNameThatIsTooLongIsRefused() throws Exception {
    assertThat(api.get("/v1/sessions/" + "a".repeat(256)).statusCode()).isEqualTo(404);
    assertThat(api.get("/v1/sessions/" + "a".repeat(257)).statusCode()).isEqualTo(400);
    assertThat(api.get("/v1/sessions/" + "a".repeat(20_000)).statusCode()).isEqualTo(414);
  }

  @Test
  void amongAMillionSessionsTheLatestAreStillListed() throws Exception {
    for (int i = 0; i < MILLION; i++) {
      add(session("s" + i, 0, MILLION - i));
    }
    JsonNode list = ok("/v1/sessions?limit=2");
    assertThat(ids(list)).containsExactly("s999999", "s999998");
    assertThat(list.get("total").intValue()).isEqualTo(MILLION);
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

  @Test
  void whatMayBeDoneWithASessionIsTold() throws Exception {
    HttpResponse<String> refused = api.post("/v1/sessions/a", "{}");
    assertThat(refused.statusCode()).isEqualTo(405);
    assertThat(refused.headers().firstValue("allow")).contains("DELETE, GET");
    assertThat(api.delete("/v1/sessions").statusCode()).isEqualTo(405);
  }
}
