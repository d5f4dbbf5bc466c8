package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.model.GenerationDefaults;
import dev.weir.engine.testing.SharedData;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import dev.weir.server.protocol.SamplingDefaults;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** The endpoints over the real engine. */
final class EngineModelTest {
  private static GenerationDefaults suggested(Optional<Boolean> doSample) {
    return new GenerationDefaults(
        List.of(),
        OptionalInt.empty(),
        doSample,
        OptionalDouble.of(0.6),
        OptionalInt.of(20),
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        OptionalDouble.of(1.1),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  @Test
  void whatTheModelsMakersSuggestIsTheDefault() {
    assertThat(EngineModel.defaults(suggested(Optional.empty())))
        .isEqualTo(new SamplingDefaults(0.6f, 20, 1, 0, 1.1f));
    assertThat(EngineModel.defaults(suggested(Optional.of(true))).topK()).isEqualTo(20);
    assertThat(EngineModel.defaults(suggested(Optional.of(false))))
        .as("a model that is not to be sampled is greedy")
        .isEqualTo(new SamplingDefaults(0, 0, 1, 0, 1.1f));
  }

  @Test
  void aRealModelAnswersThroughTheEndpoints() throws Exception {
    EngineOptions options =
        EngineOptions.of(SharedData.require("models/stories260K")).withThreads(1).withSlots(4);
    try (Engine engine = Engine.open(options);
        HttpServer server = Api.serve(engine, "stories", HttpOptions.on("127.0.0.1", 0));
        HttpClient client = HttpClient.newHttpClient()) {
      URI root = URI.create("http://127.0.0.1:" + server.port());
      String body =
          client
              .send(
                  HttpRequest.newBuilder(root.resolve("/v1/completions"))
                      .POST(
                          BodyPublishers.ofString(
                              "{\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":8,"
                                  + "\"logprobs\":2}"))
                      .build(),
                  BodyHandlers.ofString())
              .body();
      JsonNode choice = ApiFixture.parse(body).at("/choices/0");
      assertThat(choice.get("finish_reason").stringValue()).isEqualTo("length");
      assertThat(choice.at("/logprobs/tokens")).hasSize(8);
      StringBuilder joined = new StringBuilder();
      choice.at("/logprobs/tokens").forEach(token -> joined.append(token.stringValue()));
      assertThat(choice.get("text").stringValue()).isEqualTo(joined.toString()).isNotBlank();
      assertThat(
              client
                  .send(
                      HttpRequest.newBuilder(root.resolve("/health")).build(),
                      BodyHandlers.ofString())
                  .statusCode())
          .isEqualTo(200);
      assertThat(
              client
                  .send(
                      HttpRequest.newBuilder(root.resolve("/metrics")).build(),
                      BodyHandlers.ofString())
                  .body())
          .contains(
              "weir_decode_tokens_total 8.0",
              "weir_http_connections ",
              "weir_kv_blocks ",
              "weir_itl_target_missed_total{reason=\"floor\"} 0.0",
              "weir_itl_target_missed_total{reason=\"worst_step\"} 0.0",
              "weir_requests_timed_out_total{clock=\"queue_timeout\"} 0.0",
              "weir_requests_timed_out_total{clock=\"ttft_deadline\"} 0.0",
              "weir_requests_timed_out_total{clock=\"deadline\"} 0.0",
              "weir_decode_stall_seconds_total 0.0",
              "weir_journal_failed 0.0",
              "weir_journal_lost_records_total 0.0",
              "weir_shard_blocks_held{shard=\"0\"} 0.0",
              "weir_shard_open{shard=\"0\"} 1.0");
    }
  }
}
