package dev.weir.server.http;

import static dev.weir.server.http.ServerFixture.options;
import static dev.weir.server.http.ServerFixture.respond;
import static dev.weir.server.http.ServerFixture.serve;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Ordinary clients and ordinary requests. */
final class HttpServerTest {
  private static HttpResponse<byte[]> send(ServerFixture fixture, String path, byte[] body)
      throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          request(fixture, path).POST(BodyPublishers.ofByteArray(body)).build(),
          BodyHandlers.ofByteArray());
    }
  }

  private static HttpRequest.Builder request(ServerFixture fixture, String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + fixture.server().port() + path));
  }

  private static byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    return bytes;
  }

  @Test
  void aBodyOfAnySizeComesBackUnchanged() throws Exception {
    try (ServerFixture fixture =
        serve(e -> e.respond(200, "application/octet-stream", e.body(), Map.of()))) {
      for (int length : new int[] {0, 1, 1023, 65_536, 65_537, 5_000_000}) {
        HttpResponse<byte[]> response = send(fixture, "/echo", bytes(length));
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.body()).isEqualTo(bytes(length));
      }
    }
  }

  @Test
  void aChunkedRequestBodyIsReadWhole() throws Exception {
    try (ServerFixture fixture =
            serve(e -> e.respond(200, "application/octet-stream", e.body(), Map.of()));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("POST / HTTP/1.1\r\nHost: weir\r\nTransfer-Encoding: chunked\r\n\r\n");
      client.send("3\r\nwei\r\n").send("1\r\nr\r\n").send("0\r\n\r\n");
      assertThat(client.readResponse()).endsWith("\r\n\r\nweir");
    }
  }

  @Test
  void theHandlerSeesMethodPathQueryAndHeaders() throws Exception {
    try (ServerFixture fixture =
            serve(
                e ->
                    respond(
                        e,
                        String.join(
                            "|",
                            e.method(),
                            e.path(),
                            String.valueOf(e.query()),
                            String.valueOf(e.header("x-one")),
                            String.valueOf(e.header("absent")))));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("DELETE /a%20b/c?x=1&y=%C3%A9&x=2 HTTP/1.1\r\nhost: w\r\nX-ONE: two\r\n\r\n");
      assertThat(client.readResponse())
          .endsWith("DELETE|/a b/c|{x=[1, 2], y=[\u00c3\u00a9]}|two|null");
    }
  }

  @Test
  void anAbsoluteTargetIsReadAsItsPath() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, e.path() + e.query()));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("GET http://weir:80/v1/models?a=b HTTP/1.1\r\nHost: weir\r\n\r\n");
      assertThat(client.readResponse()).endsWith("/v1/models{a=[b]}");
    }
  }

  @Test
  void anAnswerHasExactlyOneDateAndServerAndLength() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, "hello"))) {
      HttpResponse<byte[]> response = send(fixture, "/", new byte[0]);
      assertThat(response.headers().allValues("date")).hasSize(1);
      assertThat(response.headers().firstValue("date").orElseThrow())
          .matches(
              "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT");
      assertThat(response.headers().allValues("server")).isEqualTo(List.of("weir"));
      assertThat(response.headers().allValues("content-length")).isEqualTo(List.of("5"));
      assertThat(response.headers().allValues("transfer-encoding")).isEmpty();
    }
  }

  @Test
  void aStreamArrivesPieceByPieceAndEnds() throws Exception {
    CountDownLatch firstSeen = new CountDownLatch(1);
    try (ServerFixture fixture =
            serve(
                e -> {
                  try (ResponseStream stream =
                      e.startStream(
                          200, "text/event-stream", Map.of("Cache-Control", "no-cache"))) {
                    stream.write("data: one\n\n".getBytes(StandardCharsets.UTF_8));
                    ServerFixture.await(firstSeen);
                    stream.write(
                        ByteBuffer.wrap("data: ".getBytes(StandardCharsets.UTF_8)),
                        ByteBuffer.allocate(0),
                        ByteBuffer.wrap("two\n\n".getBytes(StandardCharsets.UTF_8)));
                  }
                });
        RawClient client = RawClient.connect(fixture.server())) {
      client.get("/");
      assertThat(client.readUntil("\r\n\r\n"))
          .contains("Transfer-Encoding: chunked\r\n", "Cache-Control: no-cache\r\n")
          .doesNotContain("Content-Length");
      client.readUntil("b\r\ndata: one\n\n\r\n");
      firstSeen.countDown();
      client.readUntil("b\r\ndata: two\n\n\r\n0\r\n\r\n");
    }
  }

  @Test
  void aLargeStreamedWriteArrivesUnchanged() throws Exception {
    byte[] large = bytes(1_000_003);
    try (ServerFixture fixture =
        serve(
            e -> {
              try (ResponseStream stream = e.startStream(200, "a/b", Map.of())) {
                stream.write(
                    ByteBuffer.wrap(large, 0, 70_000),
                    ByteBuffer.wrap(large, 70_000, large.length - 70_000));
              }
            })) {
      assertThat(send(fixture, "/", new byte[0]).body()).isEqualTo(large);
    }
  }

  @Test
  void anHttp10ClientGetsAStreamThatEndsWithTheConnection() throws Exception {
    try (ServerFixture fixture =
            serve(
                e -> {
                  try (ResponseStream stream = e.startStream(200, "a/b", Map.of())) {
                    stream.write("one".getBytes(StandardCharsets.UTF_8));
                    stream.write("two".getBytes(StandardCharsets.UTF_8));
                  }
                });
        RawClient client = RawClient.connect(fixture.server())) {
      assertThat(client.send("GET / HTTP/1.0\r\n\r\n").readToEnd())
          .doesNotContain("chunked")
          .contains("Connection: close")
          .endsWith("\r\n\r\nonetwo");
    }
  }

  @Test
  void headIsAnsweredWithTheLengthAndWithoutTheBody() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, "hello"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("HEAD / HTTP/1.1\r\nHost: weir\r\n\r\n");
      assertThat(client.readUntil("\r\n\r\n")).contains("Content-Length: 5");
      client.get("/");
      assertThat(client.readResponse()).startsWith("HTTP/1.1 200 OK\r\n").endsWith("hello");
    }
  }

  @Test
  void aConnectionIsUsedAgainAndPipelinedRequestsAreAnsweredInOrder() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, e.path()));
        RawClient client = RawClient.connect(fixture.server())) {
      for (int i = 0; i < 3; i++) {
        assertThat(client.get("/alone" + i).readResponse()).endsWith("/alone" + i);
      }
      StringBuilder many = new StringBuilder();
      for (int i = 0; i < 10; i++) {
        many.append("POST /")
            .append(i)
            .append(" HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n\r\nhi");
      }
      client.send(many.toString());
      for (int i = 0; i < 10; i++) {
        assertThat(client.readResponse()).endsWith("\r\n\r\n/" + i);
      }
      assertThat(fixture.server().stats().openConnections()).isEqualTo(1);
    }
  }

  @Test
  void aClientThatAsksForTheEndOfTheConnectionGetsIt() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, "bye"));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send("GET / HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
      assertThat(client.readToEnd()).contains("Connection: close").endsWith("bye");
    }
  }

  @Test
  void aClientThatExpects100ContinueIsToldToGoOn() throws Exception {
    try (ServerFixture fixture =
            serve(e -> respond(e, new String(e.body(), StandardCharsets.UTF_8)));
        RawClient client = RawClient.connect(fixture.server())) {
      client.send(
          "POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
      assertThat(client.readUntil("\r\n\r\n")).isEqualTo("HTTP/1.1 100 Continue\r\n\r\n");
      assertThat(client.send("weir").readResponse()).startsWith("HTTP/1.1 200").endsWith("weir");
    }
  }

  @Test
  void handlersRunOnVirtualThreadsOfTheirOwn() throws Exception {
    AtomicReference<Thread> handler = new AtomicReference<>();
    try (ServerFixture fixture =
        serve(
            e -> {
              handler.set(Thread.currentThread());
              respond(e, "");
            })) {
      send(fixture, "/", new byte[0]);
      assertThat(handler.get().isVirtual()).isTrue();
    }
  }

  @Test
  void aHandlerThatFailsIsAnsweredForAndTheConnectionLivesOn() throws Exception {
    try (ServerFixture fixture =
            serve(
                e -> {
                  switch (e.path()) {
                    case "/throws" -> throw new IllegalStateException("on purpose");
                    case "/silent" -> {}
                    default -> respond(e, "fine");
                  }
                });
        RawClient client = RawClient.connect(fixture.server())) {
      for (String path : List.of("/throws", "/silent")) {
        assertThat(client.get(path).readResponse())
            .startsWith("HTTP/1.1 500 Internal Server Error\r\n")
            .contains("Content-Type: application/json\r\n")
            .endsWith("{\"error\":\"the server failed to handle the request\"}");
      }
      assertThat(client.get("/").readResponse()).endsWith("fine");
    }
  }

  @Test
  void aStreamWhoseHandlerFailsIsCutAndNotEnded() throws Exception {
    try (ServerFixture fixture =
        serve(
            e -> {
              ResponseStream stream = e.startStream(200, "a/b", Map.of());
              stream.write("part".getBytes(StandardCharsets.UTF_8));
              if (e.path().equals("/throws")) {
                throw new IllegalStateException("on purpose");
              }
            })) {
      for (String path : List.of("/throws", "/leaves-open")) {
        try (RawClient client = RawClient.connect(fixture.server())) {
          assertThat(client.get(path).readToEnd()).contains("part").doesNotContain("0\r\n\r\n");
        }
      }
    }
  }

  @Test
  void anExchangeIsAnsweredOnce() throws Exception {
    Map<String, Throwable> thrown = new ConcurrentHashMap<>();
    CountDownLatch done = new CountDownLatch(1);
    try (ServerFixture fixture =
        serve(
            e -> {
              respond(e, "first");
              try {
                respond(e, "second");
              } catch (IllegalStateException expected) {
                thrown.put("second", expected);
              }
              done.countDown();
            })) {
      assertThat(send(fixture, "/", new byte[0]).body())
          .isEqualTo("first".getBytes(StandardCharsets.UTF_8));
      ServerFixture.await(done);
      assertThat(thrown).containsKey("second");
    }
  }

  @Test
  void aHeaderThatForgesOthersIsRefused() throws Exception {
    try (ServerFixture fixture =
        serve(
            e -> {
              for (Map<String, String> bad :
                  List.of(
                      Map.of("X", "a\r\nSet-Cookie: b"),
                      Map.of("X: y\r\nZ", "a"),
                      Map.of("", "a"),
                      Map.of("content-length", "3"),
                      Map.of("Date", "now"))) {
                assertThatThrownBy(() -> e.respond(200, "", new byte[0], bad))
                    .isInstanceOf(IllegalArgumentException.class);
              }
              respond(e, "checked");
            })) {
      assertThat(new String(send(fixture, "/", new byte[0]).body(), StandardCharsets.UTF_8))
          .isEqualTo("checked");
    }
  }

  @Test
  void aTakenPortIsNamedInTheError() throws Exception {
    try (ServerFixture fixture = serve(e -> respond(e, ""))) {
      int port = fixture.server().port();
      assertThatThrownBy(
              () ->
                  HttpServer.start(
                      HttpOptions.on("127.0.0.1", port), e -> {}, ServerFixture.ERRORS))
          .isInstanceOf(IOException.class)
          .hasMessage("cannot listen on 127.0.0.1:" + port);
    }
  }

  @Test
  void closingLetsARunningExchangeEndAndTakesNoNewOne() throws Exception {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch finish = new CountDownLatch(1);
    ServerFixture fixture =
        serve(
            e -> {
              started.countDown();
              ServerFixture.await(finish);
              respond(e, "finished");
            });
    try (RawClient busy = RawClient.connect(fixture.server());
        RawClient idle = RawClient.connect(fixture.server())) {
      ServerFixture.await("both connected", () -> fixture.server().stats().openConnections() == 2);
      busy.get("/");
      ServerFixture.await(started);
      Thread closing = Thread.ofVirtual().start(fixture.server()::close);
      assertThat(idle.readToEnd()).isEmpty();
      finish.countDown();
      assertThat(busy.readToEnd()).contains("Connection: close").endsWith("finished");
      closing.join();
      assertThatThrownBy(() -> RawClient.connect(fixture.server())).isInstanceOf(IOException.class);
    }
    fixture.close();
  }

  @Test
  void closingTellsAnExchangeThatDoesNotEndThatItsClientIsGone() throws Exception {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    ServerFixture fixture =
        serve(
            options().shutdownTimeout(java.time.Duration.ofMillis(200)),
            e -> {
              e.onDisconnect(gone::countDown);
              started.countDown();
              ServerFixture.await(gone);
            });
    try (RawClient client = RawClient.connect(fixture.server())) {
      client.get("/");
      ServerFixture.await(started);
      fixture.close();
      assertThat(gone.getCount()).isZero();
      assertThat(Arrays.asList("", "<reset>")).contains(client.readToEnd());
    }
  }
}
