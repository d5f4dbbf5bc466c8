package dev.weir.engine.request;

import java.time.Duration;
import java.util.Optional;

/**
 * After how much time a request ends unfinished, by clock. Only {@code queue} counts waiting; the
 * others run while the engine works for the request, so a request is never ended for what the
 * engine did for others.
 *
 * @param queue see {@link TimeLimit#QUEUE}
 * @param firstToken see {@link TimeLimit#FIRST_TOKEN}
 * @param total see {@link TimeLimit#TOTAL}
 */
public record TimeLimits(
    Optional<Duration> queue, Optional<Duration> firstToken, Optional<Duration> total) {

  /** For as long as it takes. */
  public static final TimeLimits NONE =
      new TimeLimits(Optional.empty(), Optional.empty(), Optional.empty());

  public TimeLimits {
    check("queue_timeout", queue);
    check("ttft_deadline", firstToken);
    check("deadline", total);
  }

  private static void check(String parameter, Optional<Duration> limit) {
    if (limit.isPresent() && (limit.get().isZero() || limit.get().isNegative())) {
      throw new InvalidRequestException(
          parameter, parameter + " is " + limit.get() + ", must be positive");
    }
  }

  /** These limits, and others' where these have none. */
  public TimeLimits orElse(TimeLimits others) {
    return new TimeLimits(
        queue.or(others::queue), firstToken.or(others::firstToken), total.or(others::total));
  }

  /** The limit of one clock. */
  public Optional<Duration> of(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> queue;
      case FIRST_TOKEN -> firstToken;
      case TOTAL -> total;
    };
  }
}
