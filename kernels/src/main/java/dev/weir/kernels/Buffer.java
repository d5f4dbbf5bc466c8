package dev.weir.kernels;

/**
 * A range of one device's memory. Its owner is the {@link Device} that allocated it; it lives until
 * that device is closed, or until {@link Device#free}. Kernels take addresses; only a {@link
 * HostBuffer} can be read from Java.
 */
public sealed interface Buffer permits HostBuffer, DeviceBuffer {

  /**
   * Address in the device's address space, 64-byte aligned for a buffer that was allocated whole.
   */
  long address();

  /** Length in bytes. */
  long bytes();

  /** A part of this buffer, which lives as long as the whole. */
  Buffer slice(long offset, long bytes);
}
