package dev.weir.server.http;

import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A body sent piece by piece: each piece is framed into one fresh array (RFC 9112, section 7.1), so
 * the caller keeps its arrays and the event loop has one buffer to write.
 */
final class BodyStream implements ResponseStream {
  private static final byte[] LAST_CHUNK = "0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] EMPTY = new byte[0];

  private final NettyExchange exchange;
  private final ResponseHead.Framing framing;
  private final boolean keepAlive;
  private final ReentrantLock writing = new ReentrantLock();
  private boolean closed;

  BodyStream(NettyExchange exchange, ResponseHead.Framing framing, boolean keepAlive) {
    this.exchange = exchange;
    this.framing = framing;
    this.keepAlive = keepAlive;
  }

  @Override
  public void write(byte[] bytes) throws ClientGoneException {
    write(ByteBuffer.wrap(bytes));
  }

  @Override
  public void write(ByteBuffer... parts) throws ClientGoneException {
    writing.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the stream is closed");
      }
      long left = 0;
      for (ByteBuffer part : parts) {
        left += part.remaining();
      }
      int next = 0;
      while (left > 0) {
        int length = (int) Math.min(left, NettyExchange.MAX_PIECE_BYTES);
        ByteBuffer frame = frame(length);
        for (int room = length; room > 0; ) {
          ByteBuffer part = parts[next];
          int count = Math.min(room, part.remaining());
          frame.put(part.slice(part.position(), count));
          part.position(part.position() + count);
          room -= count;
          next += part.hasRemaining() ? 0 : 1;
        }
        send(frame);
        left -= length;
      }
    } finally {
      writing.unlock();
    }
  }

  /** An empty frame for a piece of some bytes, its size line written. */
  private ByteBuffer frame(int length) {
    if (framing != ResponseHead.Framing.CHUNKED) {
      return ByteBuffer.allocate(length);
    }
    byte[] size = Integer.toHexString(length).getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(size.length + 2 + length + 2)
        .put(size)
        .put((byte) '\r')
        .put((byte) '\n');
  }

  private void send(ByteBuffer frame) throws ClientGoneException {
    if (framing == ResponseHead.Framing.CHUNKED) {
      frame.put((byte) '\r').put((byte) '\n');
    }
    exchange.awaitWritable();
    if (framing != ResponseHead.Framing.NONE) {
      exchange.send(Unpooled.wrappedBuffer(frame.flip()));
    }
  }

  @Override
  public void close() throws ClientGoneException {
    writing.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      exchange.awaitWritable();
      exchange.sendLast(
          Unpooled.wrappedBuffer(framing == ResponseHead.Framing.CHUNKED ? LAST_CHUNK : EMPTY),
          keepAlive);
    } finally {
      writing.unlock();
    }
  }
}
