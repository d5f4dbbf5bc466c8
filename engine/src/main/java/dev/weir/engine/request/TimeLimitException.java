package dev.weir.engine.request;

import java.time.Duration;

/** A request's time ran out before it had a token. Later it ends with what it has. */
public final class TimeLimitException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final TimeLimit clock;

  /**
   * @param clock which of its clocks
   * @param limit what it was allowed
   */
  public TimeLimitException(TimeLimit clock, Duration limit) {
    super(
        switch (clock) {
          case QUEUE ->
              "the request waited longer than its limit of %s to be admitted; nothing was computed"
                  .formatted(limit);
          case FIRST_TOKEN ->
              "the engine worked for longer than the limit of %s without reaching a first token"
                  .formatted(limit);
          case TOTAL ->
              "the engine worked for longer than the request's limit of %s".formatted(limit);
        });
    this.clock = clock;
  }

  /** Which of its clocks ran out. */
  public TimeLimit clock() {
    return clock;
  }
}
