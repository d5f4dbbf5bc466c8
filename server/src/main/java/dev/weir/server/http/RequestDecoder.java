package dev.weir.server.http;

import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpRequestDecoder;

/** Netty's decoder, set to refuse what it could repair. */
final class RequestDecoder extends HttpRequestDecoder {
  RequestDecoder(HttpOptions options) {
    super(
        new HttpDecoderConfig()
            .setMaxInitialLineLength(options.maxRequestLineBytes())
            .setMaxHeaderSize(options.maxHeaderBytes())
            .setStrictLineParsing(true));
  }

  /**
   * Keeps both headers where Netty would drop one, so that {@link RequestHead} sees and refuses.
   */
  @Override
  protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {}
}
