package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** What requests ask of the engine, from the socket to the shard and back. */
class TermsOverHttpTest {
  private static final int SHARDS = 4;
  private static final int PROMPT = 600;

  /** Requests that keep the only slot busy for far longer than anybody waits here. */
  private static final int BEFORE = 20;

  @TempDir private Path folder;

  @SuppressWarnings("NullAway.Init")
  private WeirUnderTest weir;

  @BeforeEach
  void serve() throws IOException {
    weir =
        WeirUnderTest.serve(
            EngineOptions.of(TinyModel.write(folder.resolve("tiny"), DType.F32, 1))
                .withSlots(1)
                .withShards(SHARDS));
  }

  @AfterEach
  void close() {
    weir.close();
  }

  private static List<Integer> prompt(int tokens) {
    return IntStream.range(0, tokens).mapToObj(i -> i * 7 % 251).toList();
  }

  private HttpResponse<String> ask(Map<String, Object> terms, int tokens) throws Exception {
    Map<String, Object> body = new HashMap<>(terms);
    body.put("prompt", prompt(tokens));
    body.put("max_tokens", 2);
    body.put("include_account", true);
    return weir.post("/v1/completions", body);
  }

  @Test
  void aPinIsFollowedOnEveryShardAndRefusedBeyond() throws Exception {
    for (int shard = 0; shard < SHARDS; shard++) {
      HttpResponse<String> answer = ask(Map.of("routed_dp_rank", shard), 3);
      assertThat(answer.headers().firstValue("X-Weir-Shard")).contains(Integer.toString(shard));
      assertThat(WeirUnderTest.json(answer).at("/weir/accounts/0/shard").intValue())
          .isEqualTo(shard);
    }
    HttpResponse<String> beyond = ask(Map.of("data_parallel_rank", SHARDS), 3);
    assertThat(beyond.statusCode()).isEqualTo(400);
    assertThat(beyond.body()).contains("this server has 4");
  }

  @Test
  void aSecondTurnOnAnotherShardComputesItsNewTokensOnly() throws Exception {
    ask(Map.of("session_id", "s", "routed_dp_rank", 0), PROMPT);
    JsonNode second =
        WeirUnderTest.json(ask(Map.of("session_id", "s", "routed_dp_rank", 1), PROMPT + 40));
    JsonNode account = second.at("/weir/accounts/0");
    int known = second.at("/usage/prompt_tokens_details/cached_tokens").intValue();
    assertThat(known).isGreaterThan(PROMPT - 64); // whole blocks are found
    assertThat(account.get("recomputed_tokens").intValue()).isEqualTo(PROMPT + 40 - known);
    assertThat(account.get("shard").intValue()).isEqualTo(1);
  }

  @Test
  void aRequestThatWaitsForTooLongIsToldSoAndTheOneBeforeItRunsOn() throws Exception {
    Sampling whole = Sampling.builder().temperature(0).maxTokens(1500).ignoreEos(true).build();
    Request request = Request.of(Prompt.of(1, 2, 3), whole);
    List<Generation> before = new ArrayList<>();
    try (Generation running = weir.engine().submit(request)) {
      for (int i = 0; i < BEFORE; i++) { // one after the other in the only slot
        before.add(weir.engine().submit(request));
      }
      WeirUnderTest.eventually("it runs", () -> weir.engine().stats().running() == 1);
      HttpResponse<String> answer = ask(Map.of("queue_timeout", 0.02), 3);
      assertThat(answer.statusCode()).as(answer.body()).isEqualTo(408);
      assertThat(WeirUnderTest.json(answer).at("/error/code").asString())
          .isEqualTo("queue_timeout");
      assertThat(running.await().choices().getFirst().tokens()).hasSize(1500);
    } finally {
      before.forEach(Generation::close);
    }
    assertThat(weir.get("/metrics").body())
        .contains("weir_requests_timed_out_total{clock=\"queue_timeout\"} 1.0");
  }

  @Test
  void aRequestThatUsesItsTimeUpKeepsWhatItHas() throws Exception {
    HttpResponse<String> answer =
        weir.post(
            "/v1/completions",
            Map.of("prompt", prompt(3), "max_tokens", 2000, "ignore_eos", true, "deadline", 0.01));
    JsonNode choice = WeirUnderTest.json(answer).at("/choices/0");
    assertThat(answer.statusCode()).as(answer.body()).isIn(200, 504); // before or after a token
    if (answer.statusCode() == 200) {
      assertThat(choice.get("finish_reason").asString()).isEqualTo("timeout");
      assertThat(choice.get("timeout").asString()).isEqualTo("deadline");
    }
  }

  @Test
  void aSessionIsShownWithItsKvAndEndsWhenItIsDeleted() throws Exception {
    assertThat(weir.get("/v1/sessions/s%2F1").statusCode()).isEqualTo(404);
    ask(Map.of("session_id", "s/1"), PROMPT);
    WeirUnderTest.eventually("the turn is over", () -> weir.engine().stats().heldBlocks() == 0);
    JsonNode session = WeirUnderTest.json(weir.get("/v1/sessions/s%2F1"));
    assertThat(session.get("turns").intValue()).isOne();
    assertThat(session.get("active_requests").intValue()).isZero();
    assertThat(session.get("device_tokens").intValue()).isGreaterThan(PROMPT - 64);
    assertThat(WeirUnderTest.json(weir.get("/v1/sessions")).at("/data/0/id").asString())
        .isEqualTo("s/1");
    assertThat(weir.delete("/v1/sessions/s%2F1").statusCode()).isEqualTo(204);
    assertThat(weir.get("/v1/sessions/s%2F1").statusCode()).isIn(404, 410);
    assertThat(WeirUnderTest.json(weir.get("/v1/sessions")).get("total").intValue()).isZero();
  }

  @Test
  void shardsAndStepsAreShown() throws Exception {
    ask(Map.of(), PROMPT);
    JsonNode shards = WeirUnderTest.json(weir.get("/v1/weir/shards")).get("data");
    assertThat(shards).hasSize(SHARDS);
    int cached = 0;
    for (JsonNode shard : shards) {
      cached += shard.get("cached_blocks").intValue();
    }
    assertThat(cached).isGreaterThanOrEqualTo(PROMPT / 64);
    JsonNode steps = WeirUnderTest.json(weir.get("/v1/weir/steps")).get("data");
    int prefilled = 0;
    for (JsonNode step : steps) {
      prefilled += step.get("prefill_tokens").intValue();
    }
    assertThat(prefilled).isEqualTo(PROMPT);
    long last = steps.get(steps.size() - 1).get("number").longValue();
    assertThat(WeirUnderTest.json(weir.get("/v1/weir/steps?after=" + last)).get("data")).isEmpty();
  }
}
