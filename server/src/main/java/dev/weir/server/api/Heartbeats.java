package dev.weir.server.api;

import dev.weir.server.protocol.ReplyForm;
import java.time.Duration;

/**
 * How the server shows that it is still at work on a reply, where a request does not say it.
 *
 * @param interval how long a stream may be silent; zero: for ever
 * @param replies whether replies that are not streamed have heartbeats too: white space before
 *     their JSON, after a status of 200 that can then not change any more
 */
public record Heartbeats(Duration interval, boolean replies) {
  /** Shorter than the time-outs of common proxies and clients, which begin at 30 seconds. */
  public static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(15);

  /** Streams only. */
  public static final Heartbeats DEFAULT = new Heartbeats(DEFAULT_INTERVAL, false);

  /** Checks the interval. */
  public Heartbeats {
    if (!ReplyForm.isHeartbeat(interval)) {
      throw new IllegalArgumentException(
          "the heartbeat is %s, must be from %s to %s, or zero for none"
              .formatted(interval, ReplyForm.MIN_HEARTBEAT, ReplyForm.MAX_HEARTBEAT));
    }
  }

  /** For one request: how long its reply may be silent; zero: for ever. */
  Duration of(ReplyForm form) {
    boolean byDefault = form.stream() || replies;
    return form.heartbeat().orElse(byDefault ? interval : Duration.ZERO);
  }
}
