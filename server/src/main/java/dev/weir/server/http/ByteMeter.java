package dev.weir.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * Stands before the decoder and lets the connection see raw bytes: half a header must start a
 * clock, and bytes that nobody will answer must not reach the decoder at all.
 */
final class ByteMeter extends ChannelInboundHandlerAdapter {
  private final Connection connection;

  ByteMeter(Connection connection) {
    this.connection = connection;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf bytes = (ByteBuf) message;
    if (connection.admit(bytes.readableBytes())) {
      context.fireChannelRead(bytes);
    } else {
      bytes.release();
    }
  }
}
