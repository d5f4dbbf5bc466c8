package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What the driver's result codes mean. */
final class DriverErrors {
  /** The longest text taken from the driver, in bytes. */
  private static final long MAX_TEXT_BYTES = 4096;

  private DriverErrors() {}

  /**
   * A failed call as an exception.
   *
   * @param purpose what the call was for: a kernel's name, or what was to be done
   */
  static CudaException failure(int code, String call, String purpose) {
    return new CudaException(code, call + " for " + purpose + ": " + describe(code));
  }

  /** Throws unless the call succeeded, for calls that belong to no open device. */
  static void check(int result, String call, String purpose) {
    if (result != CudaDriver.CUDA_SUCCESS()) {
      throw failure(result, call, purpose);
    }
  }

  /** For example {@code "CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was …"}. */
  static String describe(int code) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(ADDRESS);
      String name =
          CudaDriver.cuGetErrorName(code, text) == CudaDriver.CUDA_SUCCESS()
              ? string(text)
              : "an error that this driver does not know";
      String explained =
          CudaDriver.cuGetErrorString(code, text) == CudaDriver.CUDA_SUCCESS()
              ? ": " + string(text)
              : "";
      return name + " (" + code + ")" + explained;
    }
  }

  /**
   * Whether no later call on the device can succeed: its context is corrupt, or its memory is. The
   * list is what the documentation of {@code CUresult} says "leaves the process in an inconsistent
   * state", or asks to reset or restart after.
   */
  static boolean isSticky(int code) {
    return code == CudaDriver.CUDA_ERROR_ILLEGAL_ADDRESS()
        || code == CudaDriver.CUDA_ERROR_LAUNCH_FAILED()
        || code == CudaDriver.CUDA_ERROR_LAUNCH_TIMEOUT()
        || code == CudaDriver.CUDA_ERROR_ASSERT()
        || code == CudaDriver.CUDA_ERROR_HARDWARE_STACK_ERROR()
        || code == CudaDriver.CUDA_ERROR_ILLEGAL_INSTRUCTION()
        || code == CudaDriver.CUDA_ERROR_MISALIGNED_ADDRESS()
        || code == CudaDriver.CUDA_ERROR_INVALID_ADDRESS_SPACE()
        || code == CudaDriver.CUDA_ERROR_INVALID_PC()
        || code == CudaDriver.CUDA_ERROR_TENSOR_MEMORY_LEAK()
        || code == CudaDriver.CUDA_ERROR_ECC_UNCORRECTABLE()
        || code == CudaDriver.CUDA_ERROR_NVLINK_UNCORRECTABLE()
        || code == CudaDriver.CUDA_ERROR_CONTAINED()
        || code == CudaDriver.CUDA_ERROR_EXTERNAL_DEVICE()
        || code == CudaDriver.CUDA_ERROR_CONTEXT_IS_DESTROYED()
        || code == CudaDriver.CUDA_ERROR_DEVICE_UNAVAILABLE()
        || code == CudaDriver.CUDA_ERROR_DEINITIALIZED()
        || code == CudaDriver.CUDA_ERROR_UNKNOWN();
  }

  private static String string(MemorySegment pointer) {
    return pointer.get(ADDRESS, 0).reinterpret(MAX_TEXT_BYTES).getString(0);
  }
}
