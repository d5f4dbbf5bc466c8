package dev.weir.kernels;

/** A device could not allocate; the message names how much, what for and what to do. */
public final class DeviceMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public DeviceMemoryException(String message) {
    super(message);
  }
}
