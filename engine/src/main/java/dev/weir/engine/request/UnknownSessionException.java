package dev.weir.engine.request;

/** There is no such session, and none that is remembered. */
public final class UnknownSessionException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnknownSessionException(String id) {
    super("there is no session '" + id + "'; a session begins with its first request");
  }
}
