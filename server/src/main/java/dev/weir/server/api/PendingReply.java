package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.ResponseStream;
import dev.weir.server.protocol.ApiException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A whole reply that is not there yet. Its first heartbeat sends the head, so the status is 200
 * from then on; every heartbeat is a line break, which JSON allows before a value. Used by one
 * thread.
 */
final class PendingReply {
  private static final byte[] WHITE_SPACE = "\n".getBytes(StandardCharsets.US_ASCII);

  private final Exchange exchange;
  private final Heartbeat heartbeat;
  private @Nullable ResponseStream begun;

  /**
   * A reply to come.
   *
   * @param silence how long nothing may be written; zero: for ever
   */
  PendingReply(Exchange exchange, Duration silence) {
    this.exchange = exchange;
    heartbeat = new Heartbeat(silence, this::beat);
  }

  private void beat() throws ClientGoneException {
    ResponseStream stream = begun;
    if (stream == null) {
      stream = exchange.startStream(200, Router.JSON, Map.of());
      begun = stream;
    }
    stream.write(WHITE_SPACE);
  }

  Heartbeat heartbeat() {
    return heartbeat;
  }

  /** Answers with status 200. */
  void respond(byte[] json, Map<String, String> headers) throws ClientGoneException {
    ResponseStream stream = begun;
    if (stream == null) {
      exchange.respond(200, Router.JSON, json, headers);
    } else {
      stream.write(json);
      stream.close();
    }
  }

  /** Answers with an error: with its status, or, where that is sent already, in the body. */
  void fail(ApiException error) throws ClientGoneException {
    if (begun == null) {
      throw error;
    }
    respond(error.toJson(), Map.of());
  }
}
