package dev.weir.kernels;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Memory that only a device can reach.
 *
 * @param address in the device's address space
 * @param bytes length
 * @param mirror the host's side of a {@link Staging}, as long as this; {@link MemorySegment#NULL}
 *     for other memory. What a step says is checked there before a kernel follows it.
 */
public record DeviceBuffer(long address, long bytes, MemorySegment mirror) implements Buffer {

  /**
   * The host's side.
   *
   * @throws IllegalArgumentException if there is none: then nothing that an op must check before it
   *     follows it may be kept here
   */
  public MemorySegment requireMirror() {
    if (mirror.byteSize() == 0) {
      throw new IllegalArgumentException(
          "what a step says must lie in memory of Device.staging, where it can be checked");
    }
    return mirror;
  }

  @Override
  public DeviceBuffer slice(long offset, long length) {
    Objects.checkFromIndexSize(offset, length, bytes);
    MemorySegment part =
        mirror.equals(MemorySegment.NULL) ? mirror : mirror.asSlice(offset, length);
    return new DeviceBuffer(address + offset, length, part);
  }
}
