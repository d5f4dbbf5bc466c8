package dev.weir.engine.request;

import java.math.BigDecimal;
import java.time.Duration;

/** A request's time ran out before it had a token. Later it ends with what it has. */
public final class TimeLimitException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private static final int NANO_DIGITS = 9;

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
                  .formatted(seconds(limit));
          case FIRST_TOKEN ->
              "the engine worked for longer than the limit of %s without reaching a first token"
                  .formatted(seconds(limit));
          case TOTAL ->
              "the engine worked for longer than the request's limit of %s"
                  .formatted(seconds(limit));
        });
    this.clock = clock;
  }

  /** As requests and options give it: 0.25 s. */
  private static String seconds(Duration limit) {
    return BigDecimal.valueOf(limit.getSeconds())
            .add(BigDecimal.valueOf(limit.getNano(), NANO_DIGITS))
            .stripTrailingZeros()
            .toPlainString()
        + " s";
  }

  /** Which of its clocks ran out. */
  public TimeLimit clock() {
    return clock;
  }
}
