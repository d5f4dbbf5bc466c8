package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.server.api.Api;
import dev.weir.server.api.Heartbeats;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import dev.weir.server.protocol.ReplyForm;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One of two GPUs is lost while each computes a stream and others wait for it: whoever needs it is
 * told so in the form of its reply, and the other GPU's clients notice nothing.
 */
@Timeout(300)
class LostDeviceOverHttpTest {
  private static final int GPUS = 2;

  /** Far more than are drawn before the test is over. */
  private static final int MANY_TOKENS = 1900;

  private static final int FEW_TOKENS = 3;
  private static final String BEAT = ": heartbeat";
  private static final String BY_DEFAULT = "0.1";
  private static final String NO_HEARTBEAT = "0";

  @TempDir Path folder;
  private final HttpClient client = HttpClient.newHttpClient();
  private Emulator emulator;
  private Engine engine;
  private HttpServer server;

  @BeforeEach
  void serveOnTwoGpus() throws IOException {
    emulator = Emulator.start("mode=lazy kernels=fast devices=" + GPUS);
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    assumeTrue(
        CudaDevice.class.getResource("attention.compute_80.ptx") != null,
        "skipped: this build's attention has no CUDA kernels");
    engine =
        Engine.open(
            EngineOptions.of(TinyModel.write(folder, DType.BF16, 1))
                .withDevices(List.of(DeviceChoice.cuda(0), DeviceChoice.cuda(1)))
                .withShards(GPUS)
                .withSlots(1)
                .withKvBytes(8 << 20));
    server =
        Api.serve(
            engine,
            "m",
            new Heartbeats(ReplyForm.MIN_HEARTBEAT, true),
            HttpOptions.on("127.0.0.1", 0));
  }

  @AfterEach
  void close() {
    if (server != null) {
      server.close();
      engine.close();
    }
    client.shutdownNow(); // a reply that nobody reads would hold up close()
    client.close();
  }

  private HttpRequest request(int shard, int tokens, boolean stream, String heartbeat) {
    String json =
        "{\"prompt\":[1,2,3],\"max_tokens\":%d,\"ignore_eos\":true,\"stream\":%b,\"routed_dp_rank\":%d}"
            .formatted(tokens, stream, shard);
    return HttpRequest.newBuilder(uri("/v1/completions"))
        .header("Content-Type", "application/json")
        .header("X-Weir-Heartbeat", heartbeat)
        .POST(BodyPublishers.ofString(json))
        .build();
  }

  private URI uri(String path) {
    return URI.create("http://127.0.0.1:" + server.port() + path);
  }

  /** Asks, and comes back as soon as there is a head. */
  private InputStream ask(int shard, int tokens, boolean stream)
      throws IOException, InterruptedException {
    HttpResponse<InputStream> response =
        client.send(request(shard, tokens, stream, BY_DEFAULT), BodyHandlers.ofInputStream());
    assertThat(response.statusCode()).isEqualTo(200);
    return response.body();
  }

  private static String line(InputStream in) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int next = in.read(); next != '\n'; next = in.read()) {
      assertThat(next).as("the end after '%s'", line).isNotNegative();
      line.append((char) next);
    }
    return line.toString();
  }

  private static void skipTo(InputStream in, String beginning) throws IOException {
    while (!line(in).startsWith(beginning)) {
      // a comment, an empty line, an event
    }
  }

  private static String rest(InputStream in) throws IOException {
    return new String(in.readAllBytes(), StandardCharsets.UTF_8);
  }

  private static JsonNode json(String text) {
    return JsonMapper.shared().readTree(text);
  }

  private static void assertStreamTellsTheLoss(String rest) {
    assertThat(rest).contains("data: {\"error\":").doesNotContain("[DONE]");
    String event = rest.substring(rest.indexOf("data: {\"error\":") + "data: ".length());
    assertLost(json(event.substring(0, event.indexOf('\n'))));
  }

  private static void assertLost(JsonNode reply) {
    assertThat(reply.at("/error/code").asString()).isEqualTo("device_lost");
    assertThat(reply.at("/error/type").asString()).isEqualTo("server_error");
    assertThat(reply.at("/error/message").asString()).contains("CUDA_ERROR_ILLEGAL_ADDRESS");
  }

  /** The number of the shard whose device is lost; negative while none is. */
  private int lostShard() throws IOException, InterruptedException {
    HttpResponse<String> reply =
        client.send(
            HttpRequest.newBuilder(uri("/v1/weir/shards")).build(), BodyHandlers.ofString());
    for (JsonNode shard : json(reply.body()).get("data")) {
      if (!shard.get("open").asBoolean()) {
        return shard.get("shard").asInt();
      }
    }
    return -1;
  }

  @Test
  void whoeverNeedsALostDeviceIsToldSoAndTheOthersGoOn() throws Exception {
    List<InputStream> streams = new ArrayList<>();
    List<InputStream> waitingStreams = new ArrayList<>();
    List<InputStream> waitingReplies = new ArrayList<>();
    List<CompletableFuture<HttpResponse<String>>> silentReplies = new ArrayList<>();
    for (int shard = 0; shard < GPUS; shard++) {
      streams.add(ask(shard, MANY_TOKENS, true));
      skipTo(streams.get(shard), "data: {");
      waitingStreams.add(ask(shard, FEW_TOKENS, true));
      waitingReplies.add(ask(shard, FEW_TOKENS, false));
      silentReplies.add(
          client.sendAsync(
              request(shard, FEW_TOKENS, false, NO_HEARTBEAT), BodyHandlers.ofString()));
    }
    for (int shard = 0; shard < GPUS; shard++) {
      for (int beats = 0; beats < 2; beats++) {
        skipTo(waitingStreams.get(shard), BEAT);
        assertThat(line(waitingReplies.get(shard))).as("white space").isEmpty();
      }
    }

    emulator.configure("fail=kernel:+40:CUDA_ERROR_ILLEGAL_ADDRESS");
    int lost = lostShard();
    while (lost < 0) {
      Thread.sleep(5);
      lost = lostShard();
    }
    assertStreamTellsTheLoss(rest(streams.get(lost)));
    assertStreamTellsTheLoss(rest(waitingStreams.get(lost)));
    assertLost(json(rest(waitingReplies.get(lost))));
    HttpResponse<String> silent = silentReplies.get(lost).get();
    assertThat(silent.statusCode()).isEqualTo(503);
    assertLost(json(silent.body()));
    HttpResponse<String> late =
        client.send(request(lost, FEW_TOKENS, false, NO_HEARTBEAT), BodyHandlers.ofString());
    assertThat(late.statusCode()).as("a pin to what is gone").isEqualTo(503);
    assertLost(json(late.body()));

    int other = 1 - lost;
    for (int tokens = 0; tokens < FEW_TOKENS; tokens++) {
      skipTo(streams.get(other), "data: {");
    }
    streams.get(other).close(); // its client leaves, and those behind it have their turn
    assertThat(rest(waitingStreams.get(other))).contains("\"length\"", "data: [DONE]");
    assertThat(json(rest(waitingReplies.get(other))).at("/choices/0/finish_reason").asString())
        .isEqualTo("length");
    assertThat(silentReplies.get(other).get().statusCode()).isEqualTo(200);
    HttpResponse<String> health =
        client.send(HttpRequest.newBuilder(uri("/health")).build(), BodyHandlers.ofString());
    assertThat(health.statusCode()).as(health.body()).isEqualTo(200);
    while (engine.stats().running() + engine.stats().waiting() > 0) {
      Thread.sleep(5);
    }
    assertThat(engine.stats().heldBlocks()).isZero();
  }
}
