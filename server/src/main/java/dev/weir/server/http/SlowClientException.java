package dev.weir.server.http;

/** The client did not read its answer within {@link HttpOptions#slowClientTimeout()}. */
public final class SlowClientException extends ClientGoneException {
  private static final long serialVersionUID = 1;

  /** With how long was waited. */
  public SlowClientException(String message) {
    super(message);
  }
}
