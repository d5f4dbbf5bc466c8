package dev.weir.kernels;

/**
 * A device has no kernels for a model of this shape; the message names the number that is wrong,
 * and the device's limit. Another device may have some.
 */
public final class UnsupportedShapeException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  public UnsupportedShapeException(String message) {
    super(message);
  }
}
