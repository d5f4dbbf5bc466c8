package dev.weir.engine.request;

/** The engine could not go on with one request; its blocks are returned and the engine runs on. */
public final class RequestFailedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final boolean deviceLost;

  public RequestFailedException(String message) {
    super(message);
    deviceLost = false;
  }

  /**
   * @param cause why; where that is a lost device, this says so too
   */
  public RequestFailedException(String message, Throwable cause) {
    this(message, cause, cause instanceof RequestFailedException of && of.deviceLost);
  }

  private RequestFailedException(String message, Throwable cause, boolean deviceLost) {
    super(message, cause);
    this.deviceLost = deviceLost;
  }

  /** The device it ran on, or may only run on, is gone. */
  public static RequestFailedException ofLostDevice(String message, Throwable cause) {
    return new RequestFailedException(message, cause, true);
  }

  /** Whether a device was lost: the same request may succeed on another. */
  public boolean deviceLost() {
    return deviceLost;
  }
}
