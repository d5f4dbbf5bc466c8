package dev.weir.server.api;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.TokenEvent;
import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.ResponseStream;
import dev.weir.server.protocol.Chunks;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A stream of events that does not fall silent while its readers wait. Thread-safe. */
final class LiveStream {
  private final ResponseStream stream;
  private final Heartbeat heartbeat;

  /**
   * Events on a stream.
   *
   * @param silence how long nothing may be written; zero: for ever
   */
  LiveStream(ResponseStream stream, Duration silence) {
    this.stream = stream;
    heartbeat = new Heartbeat(silence, () -> stream.write(Chunks.heartbeat()));
  }

  void write(byte[] event) throws ClientGoneException {
    stream.write(event);
    heartbeat.written();
  }

  /** The generation's next event, with heartbeats until there is one. */
  @Nullable TokenEvent next(Generation generation)
      throws InterruptedException, ClientGoneException {
    while (!generation.awaitEvent(heartbeat.untilDue())) {
      heartbeat.beatIfDue();
    }
    return generation.next();
  }

  /**
   * Waits for the generation's next event, with heartbeats, but no longer than {@code atMost}.
   *
   * @return whether there is one
   */
  boolean await(Generation generation, Duration atMost)
      throws InterruptedException, ClientGoneException {
    Duration due = heartbeat.untilDue();
    boolean there = generation.awaitEvent(due.compareTo(atMost) < 0 ? due : atMost);
    heartbeat.beatIfDue();
    return there;
  }

  void close() throws ClientGoneException {
    stream.close();
  }
}
