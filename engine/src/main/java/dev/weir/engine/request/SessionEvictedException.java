package dev.weir.engine.request;

/** The session was there once; its KV was given away, and its next turn computes it again. */
public final class SessionEvictedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param reason why it was given away
   */
  public SessionEvictedException(String id, String reason) {
    super(
        "the session '%s' was evicted: %s; its next request computes its context again"
            .formatted(id, reason));
  }
}
