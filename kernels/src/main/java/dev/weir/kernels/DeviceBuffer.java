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

  @Override
  public DeviceBuffer slice(long offset, long length) {
    Objects.checkFromIndexSize(offset, length, bytes);
    MemorySegment part =
        mirror.equals(MemorySegment.NULL) ? mirror : mirror.asSlice(offset, length);
    return new DeviceBuffer(address + offset, length, part);
  }
}
