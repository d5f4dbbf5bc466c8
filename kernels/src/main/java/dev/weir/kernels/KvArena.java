package dev.weir.kernels;

import java.util.Objects;

/**
 * All KV blocks of one device, in one allocation, block after block: block {@code b} is the {@link
 * KvShape#blockBytes} bytes at {@code b * blockBytes}, so that a block is copied, spilled or handed
 * over as one range. Inside a block: layer, then keys of all heads, then values of all heads; the
 * order inside one head's tile is the device's own.
 *
 * @param shape what a block holds
 * @param blocks how many
 * @param memory the allocation
 */
public record KvArena(KvShape shape, int blocks, Buffer memory) {

  /**
   * Where a block begins, in bytes.
   *
   * @throws IndexOutOfBoundsException if there is no such block
   */
  public long offset(int block) {
    return Objects.checkIndex(block, blocks) * shape.blockBytes();
  }
}
