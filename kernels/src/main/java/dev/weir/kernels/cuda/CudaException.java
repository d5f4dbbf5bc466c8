package dev.weir.kernels.cuda;

/** The CUDA driver refused a call; the message has its name and text for the reason. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int code;

  /**
   * @param code the driver's {@code CUresult}
   * @param message which call, what for, and what the driver says of the code
   */
  public CudaException(int code, String message) {
    super(message);
    this.code = code;
  }

  /** The driver's {@code CUresult}. */
  public int code() {
    return code;
  }
}
