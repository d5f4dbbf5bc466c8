package dev.weir.server.http;

import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/**
 * A request body in the making: grows with what has arrived, never with what was promised, so that
 * a client cannot make the server allocate by a Content-Length alone.
 */
final class BodyBuffer {
  private static final byte[] EMPTY = new byte[0];
  private static final int FIRST_BYTES = 1 << 10;

  private final int maxBytes;
  private byte[] bytes = EMPTY;
  private int size;

  BodyBuffer(int maxBytes) {
    this.maxBytes = maxBytes;
  }

  int size() {
    return size;
  }

  /** Takes the readable bytes; false, and nothing taken, where that would pass the limit. */
  boolean append(ByteBuf content) {
    int more = content.readableBytes();
    if (more > maxBytes - size) {
      return false;
    }
    if (size + more > bytes.length) {
      long doubled = Math.max(FIRST_BYTES, 2L * bytes.length);
      bytes = Arrays.copyOf(bytes, (int) Math.min(maxBytes, Math.max(doubled, size + more)));
    }
    content.readBytes(bytes, size, more);
    size += more;
    return true;
  }

  byte[] toBytes() {
    return size == bytes.length ? bytes : Arrays.copyOf(bytes, size);
  }
}
