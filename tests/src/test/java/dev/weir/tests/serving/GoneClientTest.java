package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A client that goes away is noticed without a byte being written to it, and nothing of its request
 * stays.
 */
class GoneClientTest {
  @TempDir static Path folder;

  private static WeirUnderTest serve(int slots) throws IOException {
    return WeirUnderTest.serve(
        EngineOptions.of(TinyModel.write(folder.resolve("tiny"), DType.F32, 1))
            .withSlots(slots)
            .withKvBytes(16 << 20));
  }

  /**
   * Sends a completion request that would run for the whole context, and leaves the connection
   * open.
   */
  private static Socket ask(WeirUnderTest weir, Random random, boolean stream) throws IOException {
    String prompt =
        random
            .ints(1 + random.nextInt(1500), 0, 256)
            .mapToObj(Integer::toString)
            .collect(Collectors.joining(","));
    byte[] body =
        "{\"prompt\":[%s],\"max_tokens\":2000,\"ignore_eos\":true,\"stream\":%b,\"n\":%d}"
            .formatted(prompt, stream, 1 + random.nextInt(2))
            .getBytes(StandardCharsets.UTF_8);
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), weir.port());
    socket
        .getOutputStream()
        .write(
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                .formatted(body.length)
                .getBytes(StandardCharsets.US_ASCII));
    socket.getOutputStream().write(body);
    socket.getOutputStream().flush();
    return socket;
  }

  private static boolean idle(WeirUnderTest weir) {
    var stats = weir.engine().stats();
    return stats.running() == 0 && stats.waiting() == 0 && stats.heldBlocks() == 0;
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void givenARunningRequestWhenItsClientLeavesThenItEnds(boolean stream) throws Exception {
    try (WeirUnderTest weir = serve(4)) {
      Socket client = ask(weir, new Random(1), stream);
      WeirUnderTest.eventually("it runs", () -> weir.engine().stats().decodeTokens() > 0);
      client.close();
      WeirUnderTest.eventually("nothing is left", () -> idle(weir));
      assertThat(weir.engine().stats().cancelled()).isPositive();
    }
  }

  @Test
  void givenAQueuedRequestWhenItsClientLeavesThenItLeavesTheQueue() throws Exception {
    try (WeirUnderTest weir = serve(1)) {
      Socket running = ask(weir, new Random(2), true);
      WeirUnderTest.eventually("one runs", () -> weir.engine().stats().running() == 1);
      Socket queued = ask(weir, new Random(3), false);
      WeirUnderTest.eventually("one waits", () -> weir.engine().stats().requests() == 2);
      queued.close();
      WeirUnderTest.eventually("it is cancelled", () -> weir.engine().stats().cancelled() > 0);
      running.close();
      WeirUnderTest.eventually("nothing is left", () -> idle(weir));
    }
  }

  @Test
  void afterAStormOfLeavingClientsNothingIsHeldAndTheNextRequestIsServed() throws Exception {
    try (WeirUnderTest weir = serve(8)) {
      Random random = new Random(5);
      for (int round = 0; round < 6; round++) {
        List<Socket> clients = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
          clients.add(ask(weir, random, random.nextBoolean()));
        }
        Thread.sleep(random.nextInt(60)); // so that some run, some wait, some are not read yet
        for (Socket client : clients) {
          if (random.nextBoolean()) {
            client.setSoLinger(true, 0); // a reset instead of an orderly end
          }
          client.close();
        }
      }
      WeirUnderTest.eventually("nothing is left", () -> idle(weir));
      HttpResponse<String> answer =
          weir.post("/v1/completions", Map.of("prompt", List.of(1, 2, 3), "max_tokens", 4));
      assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
      assertThat(weir.get("/metrics").body()).contains("weir_kv_blocks_held 0.0");
    }
  }
}
