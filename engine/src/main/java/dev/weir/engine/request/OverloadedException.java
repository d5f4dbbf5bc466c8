package dev.weir.engine.request;

/** There is no room now, or it is predicted to come too late; the same may be asked again later. */
public final class OverloadedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int retryAfterSeconds;

  public OverloadedException(String message, int retryAfterSeconds) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** When to try again, at the earliest. */
  public int retryAfterSeconds() {
    return retryAfterSeconds;
  }
}
