package dev.weir.engine.request;

/** The engine could not go on with one request; its blocks are returned and the engine runs on. */
public final class RequestFailedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public RequestFailedException(String message) {
    super(message);
  }

  public RequestFailedException(String message, Throwable cause) {
    super(message, cause);
  }
}
