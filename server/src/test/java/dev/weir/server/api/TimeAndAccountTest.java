package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.request.TimeLimitException;
import dev.weir.engine.request.UnknownSessionException;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Requests whose time runs out, and what replies tell of where time went. */
final class TimeAndAccountTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String COMPLETIONS = "/v1/completions";
  private static final String ASK = "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";
  private static final Account ACCOUNT =
      new Account(
          1_500_000,
          2_000_000,
          3_000_000,
          4_000_000,
          250_000,
          64,
          128,
          192,
          5,
          6,
          7,
          2,
          3,
          Optional.empty());

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

  private static Account expired(TimeLimit clock) {
    return new Account(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Optional.of(clock));
  }

  private static String field(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> "queue_timeout";
      case FIRST_TOKEN -> "ttft_deadline";
      case TOTAL -> "deadline";
    };
  }

  @ParameterizedTest
  @EnumSource(TimeLimit.class)
  void aRequestWithoutATokenInItsTimeIsAnErrorThatTellsWhichClock(TimeLimit clock)
      throws Exception {
    OpenAiSchema schema = OpenAiSchema.load();
    api.model.failAfter = 0;
    api.model.failure = () -> new TimeLimitException(clock, Duration.ofSeconds(2));
    HttpResponse<String> response = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(response.statusCode()).isEqualTo(clock == TimeLimit.QUEUE ? 408 : 504);
    JsonNode body = ApiFixture.parse(response.body());
    assertThat(schema.problems("ErrorResponse", body)).isEmpty();
    assertThat(body.at("/error/code").stringValue()).isEqualTo(field(clock));
    assertThat(body.at("/error/message").stringValue()).contains("limit of 2 s");

    List<String> events = api.stream(CHAT, "{%s,\"stream\":true}".formatted(ASK));
    assertThat(ApiFixture.parse(events.getLast()).at("/error/code").stringValue())
        .isEqualTo(field(clock));
    assertThat(events).doesNotContain("[DONE]");
  }

  @ParameterizedTest
  @ValueSource(strings = {CHAT, COMPLETIONS})
  void whatWasGeneratedInTimeIsKept(String path) throws Exception {
    api.model.timeoutAfter = 2;
    api.model.account = expired(TimeLimit.TOTAL);
    String ask = path.equals(CHAT) ? ASK : "\"prompt\":\"a\",\"max_tokens\":100";
    HttpResponse<String> response = api.post(path, "{%s}".formatted(ask));
    assertThat(response.statusCode()).isEqualTo(200);
    JsonNode choice = ApiFixture.parse(response.body()).at("/choices/0");
    assertThat(choice.get("finish_reason").stringValue()).isEqualTo("timeout");
    assertThat(choice.get("timeout").stringValue()).isEqualTo("deadline");
    assertThat(choice.toString()).contains("\"Wé\"");

    List<String> events = api.stream(path, "{%s,\"stream\":true}".formatted(ask));
    JsonNode last = ApiFixture.parse(events.get(events.size() - 2)).at("/choices/0");
    assertThat(last.get("finish_reason").stringValue()).isEqualTo("timeout");
    assertThat(last.get("timeout").stringValue()).isEqualTo("deadline");
    assertThat(events.getLast()).isEqualTo("[DONE]");
  }

  @Test
  void aChoiceThatEndedByItselfTellsNoClock() throws Exception {
    HttpResponse<String> response = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(response.body()).doesNotContain("timeout").doesNotContain("weir");
  }

  @Test
  void sessionsThatAreUnknownOrGoneAreTold() throws Exception {
    api.model.refusal = new UnknownSessionException("s");
    HttpResponse<String> unknown = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(unknown.statusCode()).isEqualTo(404);
    assertThat(ApiFixture.parse(unknown.body()).at("/error/code").stringValue())
        .isEqualTo("session_not_found");
    api.model.refusal = new SessionEvictedException("s", "other sessions needed its memory");
    HttpResponse<String> gone = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(gone.statusCode()).isEqualTo(410);
    assertThat(ApiFixture.parse(gone.body()).at("/error/message").stringValue())
        .contains("other sessions needed its memory");
  }

  @Test
  void aLostDeviceIsAnErrorThatMayPass() throws Exception {
    api.model.failAfter = 2;
    RequestFailedException lost =
        RequestFailedException.ofLostDevice("it fell off the bus", new IllegalStateException());
    api.model.failure = () -> new RequestFailedException("it fell off the bus", lost);
    HttpResponse<String> response = api.post(CHAT, "{%s}".formatted(ASK));
    assertThat(response.statusCode()).isEqualTo(503);
    assertThat(ApiFixture.parse(response.body()).at("/error/code").stringValue())
        .isEqualTo("device_lost");
    List<String> events = api.stream(CHAT, "{%s,\"stream\":true}".formatted(ASK));
    assertThat(ApiFixture.parse(events.getLast()).at("/error/code").stringValue())
        .isEqualTo("device_lost");
  }

  @Test
  void theAccountIsToldToWhoAsksForIt() throws Exception {
    api.model.account = ACCOUNT;
    String expected =
        "{\"accounts\":[{\"queued_ms\":1.5,\"copy_ms\":2.0,\"prefill_ms\":3.0,\"decode_ms\":4.0,"
            + "\"stalled_ms\":0.25,\"shared_tokens\":64,\"copied_tokens\":128,"
            + "\"restored_tokens\":192,\"recomputed_tokens\":18,\"cold_tokens\":5,"
            + "\"evicted_tokens\":6,\"other_shard_tokens\":7,\"preemptions\":2,\"shard\":3,"
            + "\"expired\":null}]}";
    HttpResponse<String> asked = api.post(CHAT, "{%s,\"include_account\":true}".formatted(ASK));
    assertThat(ApiFixture.parse(asked.body()).get("weir")).hasToString(expected);
    assertThat(asked.headers().firstValue("X-Weir-Shard")).contains("3");
    HttpResponse<String> byHeader =
        api.post(COMPLETIONS, "{\"prompt\":\"a\"}", "X-Weir-Account", "1");
    assertThat(ApiFixture.parse(byHeader.body()).get("weir")).hasToString(expected);
    HttpResponse<String> both =
        api.post(COMPLETIONS, "{\"prompt\":[\"a\",\"b\"]}", "X-Weir-Account", "1");
    assertThat(ApiFixture.parse(both.body()).at("/weir/accounts")).hasSize(2);
    assertThat(both.headers().firstValue("X-Weir-Shard")).as("two prompts, two shards").isEmpty();

    List<String> events =
        api.stream(CHAT, "{%s,\"stream\":true,\"include_account\":true}".formatted(ASK));
    JsonNode last = ApiFixture.parse(events.get(events.size() - 2));
    assertThat(last.get("weir")).hasToString(expected);
    assertThat(last.get("choices")).isEmpty();
    assertThat(last.has("usage")).isFalse();
    events =
        api.stream(
            CHAT,
            "{%s,\"stream\":true,\"include_account\":true,\"stream_options\":{\"include_usage\":true}}"
                .formatted(ASK));
    last = ApiFixture.parse(events.get(events.size() - 2));
    assertThat(last.get("weir")).hasToString(expected);
    assertThat(last.get("usage").isObject()).isTrue();
  }

  @Test
  void aRequestsTermsReachTheEngine() throws Exception {
    HttpResponse<String> response =
        api.post(
            CHAT,
            "{%s,\"deadline\":5,\"priority\":2}".formatted(ASK),
            "X-SMG-Routing-Key",
            "s",
            "X-Tenant-ID",
            "t",
            "X-data-parallel-rank",
            "3");
    assertThat(response.statusCode()).isEqualTo(200);
    Request request = Objects.requireNonNull(api.model.submitted.poll(1, TimeUnit.MINUTES));
    assertThat(request.terms().session()).contains("s");
    assertThat(request.terms().tenant()).contains("t");
    assertThat(request.terms().shard()).hasValue(3);
    assertThat(request.terms().priority()).isEqualTo(2);
    assertThat(request.terms().limits().total()).contains(Duration.ofSeconds(5));
    assertThat(api.post(CHAT, "{%s}".formatted(ASK), "X-data-parallel-rank", "4").statusCode())
        .as("a shard that is not there")
        .isEqualTo(400);
  }
}
