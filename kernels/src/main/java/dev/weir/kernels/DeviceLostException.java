package dev.weir.kernels;

/**
 * A device failed in a way that leaves nothing of it usable: what it holds is gone, and every later
 * call on it throws this with the same first failure. Close it, and start a new process: most such
 * failures leave the old one unable to use the device again.
 */
public final class DeviceLostException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public DeviceLostException(String message, Throwable cause) {
    super(message, cause);
  }
}
