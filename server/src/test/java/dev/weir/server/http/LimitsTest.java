package dev.weir.server.http;

import static dev.weir.server.http.ServerFixture.options;
import static dev.weir.server.http.ServerFixture.respond;
import static dev.weir.server.http.ServerFixture.serve;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Clients that send too much, too slowly or nonsense; each ends in its limit's answer. */
final class LimitsTest {
  private static final Duration SHORT = Duration.ofMillis(200);
  private static final String CHUNKED_HEAD =
      "POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n";

  /** The answer to some bytes, after which the connection must end. */
  private static String answerTo(HttpOptions.Builder options, String bytes) throws Exception {
    AtomicInteger handled = new AtomicInteger();
    try (ServerFixture fixture =
        serve(
            options,
            e -> {
              handled.incrementAndGet();
              respond(e, "handled");
            })) {
      String answer;
      try (RawClient client = RawClient.connect(fixture.server())) {
        answer = client.send(bytes).readToEnd();
      }
      try (RawClient next = RawClient.connect(fixture.server())) {
        assertThat(next.get("/").readResponse()).as("the next client").endsWith("handled");
      }
      assertThat(handled).as("only the next client reached the handler").hasValue(1);
      return answer;
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "400 | nonsense",
        "400 | GET",
        "400 | GET / HTTP/1.1 extra",
        "400 | GET / HTTP/2.0",
        "400 | GET /%zz HTTP/1.1",
        "400 | GET nonsense HTTP/1.1",
        "400 | GET / HTTP/1.1; Host: a; Host: b",
        "400 | GET / HTTP/1.1; No-Host: a",
        "400 | GET / HTTP/1.1; Host: a; Bad Name: b",
        "400 | GET / HTTP/1.1; Host: a; : b",
        "400 | POST / HTTP/1.1; Host: a; Content-Length: -1",
        "400 | POST / HTTP/1.1; Host: a; Content-Length: many",
        "400 | POST / HTTP/1.1; Host: a; Content-Length: 1; Content-Length: 2",
        "400 | POST / HTTP/1.1; Host: a; Content-Length: 5; Transfer-Encoding: chunked",
        "501 | POST / HTTP/1.1; Host: a; Transfer-Encoding: gzip, chunked",
        "415 | POST / HTTP/1.1; Host: a; Content-Encoding: gzip; Content-Length: 100",
        "415 | POST / HTTP/1.1; Host: a; Content-Encoding: deflate; Content-Length: 100",
        "417 | POST / HTTP/1.1; Host: a; Expect: miracles; Content-Length: 100",
        "413 | POST / HTTP/1.1; Host: a; Content-Length: 99999999999",
      })
  void aRequestThatCannotBeServedIsRefusedWithAReason(int status, String head) throws Exception {
    String answer = answerTo(options(), head.replaceAll(";\\s*", "\r\n") + "\r\n\r\n");
    assertThat(answer)
        .startsWith("HTTP/1.1 " + status + " ")
        .contains("Connection: close\r\n", "Content-Type: application/json\r\n", "{\"error\":\"");
    assertThat(answer.split("Connection: close", -1)).as("one answer").hasSize(2);
  }

  @Test
  void aMalformedChunkIsRefused() throws Exception {
    assertThat(answerTo(options(), CHUNKED_HEAD + "xyz\r\n")).startsWith("HTTP/1.1 400 ");
  }

  @Test
  void aFloodOfHeadersIsRefused() throws Exception {
    StringBuilder flood = new StringBuilder("GET / HTTP/1.1\r\nHost: w\r\n");
    for (int i = 0; flood.length() < 1 << 20; i++) {
      flood.append("X-").append(i).append(": ").append("y".repeat(100)).append("\r\n");
    }
    assertThat(answerTo(options(), flood.toString()))
        .startsWith("HTTP/1.1 431 ")
        .contains("the limit of 32768 bytes");
    assertThat(answerTo(options(), "GET / HTTP/1.1\r\nHost: w\r\nX: " + "y".repeat(1 << 20)))
        .startsWith("HTTP/1.1 431 ");
    assertThat(answerTo(options(), "GET /" + "y".repeat(1 << 20)))
        .startsWith("HTTP/1.1 414 ")
        .contains("the limit of 8192 bytes");
  }

  @Test
  void aBodyOfAHundredMegabytesIsRefusedBeforeItIsRead() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 104857600\r\n\r\n");
      assertThat(client.readResponse())
          .startsWith("HTTP/1.1 413 Content Too Large\r\n")
          .contains("the limit of 33554432 bytes");
    }
  }

  @Test
  void aClientThatAsksFirstIsRefusedInsteadOfContinued() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send(
          "POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 104857600\r\nExpect: 100-continue\r\n\r\n");
      assertThat(client.readToEnd()).startsWith("HTTP/1.1 413 ").doesNotContain("100 Continue");
    }
  }

  @Test
  void aChunkedBodyIsRefusedOnceItPassesTheLimit() throws Exception {
    try (ServerFixture fixture =
            serve(options().maxBodyBytes(100_000), e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send(CHUNKED_HEAD);
      for (int i = 0; i < 26; i++) {
        client.send("1000\r\n" + "x".repeat(4096) + "\r\n");
      }
      assertThat(client.readResponse()).startsWith("HTTP/1.1 413 ").contains("100000 bytes");
    }
  }

  @Test
  void aClientThatGoesOnSendingAfterItsRefusalIsCutOff() throws Exception {
    try (ServerFixture fixture =
            serve(
                options().maxDiscardedBytes(1 << 20).lingerTimeout(Duration.ofMinutes(5)),
                e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 104857600\r\n\r\n");
      assertThatThrownBy(
              () -> {
                for (int sent = 0; sent < 104_857_600; sent += 4096) {
                  client.send(new byte[4096]);
                }
              })
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void aClientThatDoesNotCloseAfterItsRefusalIsClosed() throws Exception {
    try (ServerFixture fixture = serve(options().lingerTimeout(SHORT), e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("nonsense\r\n\r\n");
      assertThat(client.readToEnd()).startsWith("HTTP/1.1 400 ");
      ServerFixture.await(
          "connection closed", () -> fixture.server().stats().openConnections() == 0);
    }
  }

  @Test
  void headersThatTrickleInAreTimedOutHoweverRegularlyTheyTrickle() throws Exception {
    try (ServerFixture fixture = serve(options().headerTimeout(SHORT), e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("GET / HTTP/1.1\r\n");
      Thread trickle =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (true) {
                        client.send("X: y\r\n");
                        Thread.sleep(10);
                      }
                    } catch (IOException | InterruptedException end) {
                      // The server's cut is what the test waits for.
                    }
                  });
      assertThat(client.readResponse()).startsWith("HTTP/1.1 408 ");
      client.leave();
      trickle.join();
    }
  }

  @Test
  void aConnectionThatSaysNothingIsClosedWithoutAWord() throws Exception {
    try (ServerFixture fixture =
        serve(options().headerTimeout(SHORT).keepAliveTimeout(SHORT), e -> respond(e, "handled"))) {
      try (RawClient fresh = RawClient.connect(fixture.server())) {
        assertThat(fresh.readToEnd()).isEmpty();
      }
      try (RawClient used = RawClient.connect(fixture.server())) {
        used.get("/").readResponse();
        assertThat(used.readToEnd()).isEmpty();
      }
    }
  }

  @Test
  void aBodyThatStallsIsTimedOut() throws Exception {
    try (ServerFixture fixture =
            serve(options().bodyTimeout(SHORT, 1), e -> respond(e, "handled"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 10\r\n\r\nabc");
      assertThat(client.readResponse())
          .startsWith("HTTP/1.1 408 ")
          .contains("the request body stalled");
    }
  }

  @Test
  void aBodyThatAdvancesInEveryWindowMayTakeManyWindows() throws Exception {
    try (ServerFixture fixture =
            serve(options().bodyTimeout(SHORT, 1), e -> respond(e, "got " + e.body().length));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 60\r\n\r\n");
      for (int i = 0; i < 60; i++) {
        client.send("x");
        Thread.sleep(10);
      }
      assertThat(client.readResponse()).endsWith("got 60");
    }
  }

  @Test
  void oneConnectionTooManyIsToldSoAndTheOthersLiveOn() throws Exception {
    try (ServerFixture fixture = serve(options().maxConnections(2), e -> respond(e, "handled"));
        RawClient first = RawClient.connect(fixture.server());
        RawClient second = RawClient.connect(fixture.server())) {
      first.get("/").readResponse();
      second.get("/").readResponse();
      try (RawClient third = RawClient.connect(fixture.server())) {
        assertThat(third.readToEnd())
            .startsWith("HTTP/1.1 503 ")
            .contains("Retry-After: 1\r\n", "maximum of 2 connections");
      }
      assertThat(first.get("/").readResponse()).endsWith("handled");
      second.leave();
      ServerFixture.await("room again", () -> fixture.server().stats().openConnections() == 1);
      try (RawClient fourth = RawClient.connect(fixture.server())) {
        assertThat(fourth.get("/").readResponse()).endsWith("handled");
      }
    }
  }

  @Test
  void aPipeliningClientBeyondItsBoundGetsItsCurrentAnswerAndThenTheEnd() throws Exception {
    for (String ahead :
        new String[] {
          "GET /2 HTTP/1.1\r\nHost: w\r\n\r\n".repeat(100),
          "POST /2 HTTP/1.1\r\nHost: w\r\nContent-Length: 200000\r\n\r\n" + "x".repeat(200_000)
        }) {
      AtomicInteger handled = new AtomicInteger();
      CountDownLatch started = new CountDownLatch(1);
      CountDownLatch sent = new CountDownLatch(1);
      try (ServerFixture fixture =
              serve(
                  e -> {
                    handled.incrementAndGet();
                    started.countDown();
                    ServerFixture.await(sent);
                    respond(e, e.path());
                  });
          RawClient client = RawClient.connect(fixture.server())) {
        client.get("/1");
        ServerFixture.await(started);
        client.send(ahead);
        ServerFixture.await(
            "bound passed",
            () -> fixture.server().connections().stream().noneMatch(Connection::keepsAlive));
        sent.countDown();
        assertThat(client.readToEnd()).contains("\r\n\r\n/1").doesNotContain("\r\n\r\n/2");
      }
      assertThat(handled).hasValue(1);
    }
  }

  @Test
  void aClientThatDoesNotReadIsGivenUpAndItsBuffersAreBounded() throws Exception {
    CountDownLatch gone = new CountDownLatch(1);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    try (ServerFixture fixture =
            serve(
                options().slowClientTimeout(Duration.ofSeconds(1)),
                e -> {
                  e.onDisconnect(gone::countDown);
                  ResponseStream stream = e.startStream(200, "a/b", Map.of());
                  try {
                    while (true) {
                      stream.write(new byte[10_000]);
                    }
                  } catch (ClientGoneException expected) {
                    thrown.set(expected);
                    throw expected;
                  }
                });
        RawClient client = RawClient.connect(fixture.server(), 4096)) {
      client.get("/").readUntil("\r\n\r\n");
      AtomicLong mostHeld = new AtomicLong();
      ServerFixture.await(
          "given up",
          () -> {
            mostHeld.accumulateAndGet(fixture.server().stats().directBytes(), Math::max);
            return gone.getCount() == 0;
          });
      ServerFixture.await("handler ended", () -> thrown.get() != null);
      assertThat(thrown.get()).isInstanceOf(SlowClientException.class);
      // High watermark, one piece above it, and the pool's rounding to powers of two.
      assertThat(mostHeld.get()).isLessThan(512 << 10);
    }
  }

  @Test
  void aFullAnswerToAClientThatDoesNotReadIsGivenUpToo() throws Exception {
    CountDownLatch gone = new CountDownLatch(1);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    try (ServerFixture fixture =
            serve(
                options().slowClientTimeout(SHORT),
                e -> {
                  e.onDisconnect(gone::countDown);
                  try {
                    // More than the kernel's buffers on both sides ever take.
                    e.respond(200, "a/b", new byte[60_000_000], Map.of());
                  } catch (ClientGoneException expected) {
                    thrown.set(expected);
                    throw expected;
                  }
                });
        RawClient client = RawClient.connect(fixture.server(), 4096)) {
      client.get("/").readUntil("\r\n\r\n");
      ServerFixture.await(gone);
      ServerFixture.await("handler ended", () -> thrown.get() != null);
      assertThat(thrown.get()).isInstanceOf(SlowClientException.class);
    }
  }

  /** Nobody is told: to the server it is written once the kernel has taken it. */
  @Test
  void anAnswerThatLiesUnreadInTheKernelDoesNotKeepItsConnectionOpen() throws Exception {
    try (ServerFixture fixture =
            serve(
                options().slowClientTimeout(SHORT).keepAliveTimeout(SHORT),
                e -> e.respond(200, "a/b", new byte[3_000_000], Map.of()));
        RawClient client = RawClient.connect(fixture.server(), 4096)) {
      client.get("/").readUntil("\r\n\r\n");
      ServerFixture.await("closed", () -> fixture.server().stats().openConnections() == 0);
    }
  }

  @Test
  void aClientThatDoesNotReadSlowsNobody() throws Exception {
    CountDownLatch blocked = new CountDownLatch(1);
    try (ServerFixture fixture =
            serve(
                options().eventLoopThreads(1),
                e -> {
                  try (ResponseStream stream = e.startStream(200, "a/b", Map.of())) {
                    if (e.path().equals("/endless")) {
                      for (long written = 0; ; written += 10_000) {
                        stream.write(new byte[10_000]);
                        // More than the kernel's buffers on both sides ever take.
                        if (written == 2_000_000) {
                          blocked.countDown();
                        }
                      }
                    }
                    for (int i = 0; i < 1000; i++) {
                      stream.write(
                          "data: token\n\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
                    }
                  }
                });
        RawClient stuck = RawClient.connect(fixture.server(), 4096);
        RawClient reader = RawClient.connect(fixture.server())) {
      stuck.get("/endless").readUntil("\r\n\r\n");
      ServerFixture.await(blocked);
      String all = reader.get("/").readUntil("0\r\n\r\n");
      assertThat(all.split("data: token\n\n", -1)).hasSize(1001);
    }
  }
}
