package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** The heartbeat of one reply: due when nothing has been written for a while. Thread-safe. */
final class Heartbeat {
  /** Writes a sign of life. */
  @FunctionalInterface
  interface Beat {
    /** Writes it. */
    void write() throws ClientGoneException;
  }

  /** A reader that need not wake up earlier does so now and then, which costs nothing. */
  private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);

  private final Duration interval;
  private final Beat beat;
  private final AtomicLong lastWrite = new AtomicLong(System.nanoTime());

  /**
   * A heartbeat.
   *
   * @param interval how long nothing may be written; zero: for ever
   */
  Heartbeat(Duration interval, Beat beat) {
    this.interval = interval;
    this.beat = beat;
  }

  /** Whether it beats at all. */
  boolean beats() {
    return !interval.isZero();
  }

  /** Something else was written. */
  void written() {
    lastWrite.set(System.nanoTime());
  }

  /** How long to wait before asking again whether it is due. */
  Duration untilDue() {
    if (!beats()) {
      return LONGEST_WAIT;
    }
    long left = interval.toNanos() - (System.nanoTime() - lastWrite.get());
    return Duration.ofNanos(Math.clamp(left, 0, LONGEST_WAIT.toNanos()));
  }

  /** Beats, if it is due and nobody else is doing it. */
  void beatIfDue() throws ClientGoneException {
    long last = lastWrite.get();
    long now = System.nanoTime();
    if (beats() && now - last >= interval.toNanos() && lastWrite.compareAndSet(last, now)) {
      beat.write();
    }
  }
}
