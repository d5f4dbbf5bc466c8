package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.RequestFailedException;
import dev.weir.server.protocol.ReplyForm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Signs of life while a reply is not there yet, as bytes on a socket. */
final class HeartbeatTest {
  private static final Heartbeats QUICK = new Heartbeats(ReplyForm.MIN_HEARTBEAT, false);
  private static final Heartbeats QUICK_REPLIES = new Heartbeats(ReplyForm.MIN_HEARTBEAT, true);
  private static final Heartbeats NONE = new Heartbeats(Duration.ZERO, false);
  private static final String BEAT = "d\r\n: heartbeat\n\n\r\n";
  private static final String WHITE_SPACE = "1\r\n\n\r\n";
  private static final int PATIENCE_MILLIS = 60_000;

  private static Socket ask(ApiFixture api, String json, String headers) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), api.server.port());
    socket.setSoTimeout(PATIENCE_MILLIS);
    String request =
        "POST /v1/completions HTTP/1.1\r\nHost: w\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s"
            .formatted(headers, json.length(), json);
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    return socket;
  }

  private static String readUntil(Socket socket, String end) throws IOException {
    InputStream in = socket.getInputStream();
    ByteArrayOutputStream seen = new ByteArrayOutputStream();
    while (!seen.toString(StandardCharsets.UTF_8).endsWith(end)) {
      int next = in.read();
      if (next < 0) {
        throw new IOException("ended after " + seen.toString(StandardCharsets.UTF_8));
      }
      seen.write(next);
    }
    return seen.toString(StandardCharsets.UTF_8);
  }

  private static String rest(Socket socket) throws IOException {
    return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  /** The whole body out of what is left of its chunks. */
  private static String unchunked(String chunks) {
    StringBuilder body = new StringBuilder();
    byte[] bytes = chunks.getBytes(StandardCharsets.UTF_8);
    int at = 0;
    while (at < bytes.length) {
      int line = at;
      while (bytes[line] != '\r') {
        line++;
      }
      int size = Integer.parseInt(new String(bytes, at, line - at, StandardCharsets.US_ASCII), 16);
      body.append(new String(bytes, line + 2, size, StandardCharsets.UTF_8));
      at = line + 2 + size + 2;
    }
    return body.toString();
  }

  @Test
  void aSilentStreamHasCommentsBetweenItsEvents() throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK)) {
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      try (Socket socket = ask(api, "{\"prompt\":\"a\",\"stream\":true}", "")) {
        assertThat(readUntil(socket, BEAT)).contains("200 OK", "text/event-stream");
        readUntil(socket, BEAT);
        gate.countDown();
        assertThat(rest(socket)).contains("data: {", "data: [DONE]");
      }
    }
  }

  @Test
  void severalPromptsOfOneStreamHaveHeartbeatsTogether() throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK)) {
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      try (Socket socket = ask(api, "{\"prompt\":[\"a\",\"b\"],\"stream\":true}", "")) {
        readUntil(socket, BEAT);
        readUntil(socket, BEAT);
        gate.countDown();
        assertThat(rest(socket)).contains("\"index\":0", "\"index\":1", "data: [DONE]");
      }
    }
  }

  @Test
  void aReplyThatAskedForHeartbeatsIsWhiteSpaceAndThenJson() throws Exception {
    try (ApiFixture api = new ApiFixture(NONE)) {
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      try (Socket socket = ask(api, "{\"prompt\":\"a\",\"n\":2}", "X-Weir-Heartbeat: 0.1\r\n")) {
        String head = readUntil(socket, WHITE_SPACE);
        assertThat(head).contains("200 OK", "application/json", "chunked");
        readUntil(socket, WHITE_SPACE);
        gate.countDown();
        JsonNode reply = ApiFixture.parse(unchunked(rest(socket)));
        assertThat(reply.at("/choices/1/text").stringValue()).isEqualTo(ScriptedModel.REPLY + 1);
        assertThat(reply.at("/choices/1/finish_reason").stringValue()).isEqualTo("stop");
      }
    }
  }

  @Test
  void aReplyIsTheSameWhetherItHasHeartbeatsOrNot() throws Exception {
    try (ApiFixture plain = new ApiFixture(NONE);
        ApiFixture beating = new ApiFixture(QUICK_REPLIES)) {
      String json = "{\"prompt\":[\"a\",\"b\"],\"n\":2,\"logprobs\":1}";
      assertThat(ApiFixture.parse(beating.post("/v1/completions", json).body()).get("choices"))
          .isEqualTo(ApiFixture.parse(plain.post("/v1/completions", json).body()).get("choices"));
    }
  }

  @Test
  void aFailureBeforeTheFirstBeatHasItsStatusAndALaterOneIsInTheBody() throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK_REPLIES)) {
      api.model.failAfter = 0;
      api.model.refusal = new RequestFailedException("early");
      assertThat(api.post("/v1/completions", "{\"prompt\":\"a\"}").statusCode()).isEqualTo(500);
      api.model.refusal = null;
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      try (Socket socket = ask(api, "{\"prompt\":\"a\"}", "")) {
        assertThat(readUntil(socket, WHITE_SPACE)).contains("200 OK");
        gate.countDown();
        JsonNode reply = ApiFixture.parse(unchunked(rest(socket)));
        assertThat(reply.at("/error/code").stringValue()).isEqualTo("request_failed");
      }
      try (Socket socket = ask(api, "{\"prompt\":\"a\",\"n\":0}", "")) {
        assertThat(rest(socket)).as("checked before any beat").contains("400 Bad Request");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {BEAT, WHITE_SPACE})
  void aDeviceThatIsLostAfterABeatIsToldInTheBody(String beat) throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK_REPLIES)) {
      api.model.failAfter = 0;
      api.model.failure =
          () -> RequestFailedException.ofLostDevice("gone", new IllegalStateException("gone"));
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      boolean stream = beat.equals(BEAT);
      try (Socket socket = ask(api, "{\"prompt\":\"a\",\"stream\":%b}".formatted(stream), "")) {
        assertThat(readUntil(socket, beat)).contains("200 OK");
        gate.countDown();
        String chunks = rest(socket);
        assertThat(chunks).as("it ends in order").endsWith("0\r\n\r\n");
        String body = unchunked(chunks).strip();
        String json = stream ? body.substring(body.lastIndexOf("data: ") + 6) : body;
        assertThat(ApiFixture.parse(json).at("/error/code").stringValue()).isEqualTo("device_lost");
        assertThat(ApiFixture.parse(json).at("/error/message").stringValue()).contains("gone");
      }
    }
  }

  @Test
  void aFaultOfOursAfterTheFirstBeatCutsTheReply() throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK_REPLIES)) {
      api.model.failAfter = 0;
      api.model.failure = () -> new IllegalStateException("on purpose");
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      try (Socket socket = ask(api, "{\"prompt\":\"a\"}", "")) {
        readUntil(socket, WHITE_SPACE);
        gate.countDown();
        assertThat(rest(socket)).as("no last chunk").doesNotContain("0\r\n\r\n");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {BEAT, WHITE_SPACE})
  void aClientThatLeavesDuringHeartbeatsCancelsItsRequest(String beat) throws Exception {
    try (ApiFixture api = new ApiFixture(QUICK_REPLIES)) {
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      String json = "{\"prompt\":\"a\",\"stream\":%b}".formatted(beat.equals(BEAT));
      try (Socket socket = ask(api, json, "")) {
        readUntil(socket, beat);
        readUntil(socket, beat);
      }
      assertThat(api.model.cancelled.poll(1, TimeUnit.MINUTES)).isNotNull();
      api.model.gate = null;
      assertThat(api.post("/v1/completions", "{\"prompt\":\"next\"}").statusCode()).isEqualTo(200);
    }
  }

  @Test
  void theProgressOfAPromptIsACommentThatCanBeRead() throws Exception {
    try (ApiFixture api = new ApiFixture(NONE)) {
      CountDownLatch gate = new CountDownLatch(1);
      api.model.gate = gate;
      String json =
          "{\"prompt\":\"abc\",\"stream\":true,\"stream_options\":{\"include_progress\":true}}";
      try (Socket socket = ask(api, json, "")) {
        String seen = readUntil(socket, "}\n\n\r\n");
        String comment = seen.substring(seen.indexOf(": progress ") + ": progress ".length());
        JsonNode progress = ApiFixture.parse(comment.strip());
        assertThat(progress.get("prefilled_tokens").intValue()).isZero();
        assertThat(progress.get("prompt_tokens").intValue()).isEqualTo(3);
        assertThat(progress.get("index").intValue()).isZero();
        api.model.prefilled = 2;
        assertThat(readUntil(socket, "}\n\n\r\n")).contains("\"prefilled_tokens\":2");
        gate.countDown();
        assertThat(rest(socket)).contains("data: [DONE]");
      }
    }
  }

  @Test
  void aHeartbeatHasABoundBelow() {
    assertThatThrownBy(() -> new Heartbeats(Duration.ofMillis(1), false))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Heartbeats(Duration.ofSeconds(-1), false))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
