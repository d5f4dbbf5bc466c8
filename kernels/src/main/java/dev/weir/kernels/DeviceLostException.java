package dev.weir.kernels;

/**
 * A device failed in a way that leaves nothing of it usable: what it holds is gone, and every later
 * call on it throws this with the same first failure. Close it; a new process, or one that opens
 * the device again, starts afresh.
 */
public final class DeviceLostException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public DeviceLostException(String message, Throwable cause) {
    super(message, cause);
  }
}
