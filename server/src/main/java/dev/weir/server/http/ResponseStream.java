package dev.weir.server.http;

import java.nio.ByteBuffer;

/**
 * The body of an answer, piece by piece. Every write is one chunk and one flush: a caller that
 * wants fewer packets gathers its pieces. Several threads may write; a write is never torn.
 */
public interface ResponseStream extends AutoCloseable {
  /**
   * Sends bytes. While more than the high watermark waits for the client, this blocks.
   *
   * @throws SlowClientException if the client did not read for {@link
   *     HttpOptions#slowClientTimeout()}; its connection is closed
   * @throws ClientGoneException if the client went away
   * @throws IllegalStateException after {@link #close()}
   */
  void write(byte[] bytes) throws ClientGoneException;

  /** Sends the remaining bytes of all parts as one chunk; see {@link #write(byte[])}. */
  void write(ByteBuffer... parts) throws ClientGoneException;

  /** Ends the body; the second call does nothing. A stream left open is cut, not ended. */
  @Override
  void close() throws ClientGoneException;
}
