package dev.weir.server.http;

import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.TooLongFrameException;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.codec.http.TooLongHttpLineException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A request's head after the checks that need no handler.
 *
 * @param keepAlive whether the client wants the connection to live on
 * @param chunkedReplies whether the client knows chunked bodies (HTTP/1.1, not 1.0)
 * @param expectsContinue whether the client waits for {@code 100 Continue} before its body
 * @param contentLength promised body length; -1 where none is given
 */
record RequestHead(
    String method,
    String path,
    Map<String, List<String>> query,
    HttpHeaders headers,
    boolean keepAlive,
    boolean chunkedReplies,
    boolean expectsContinue,
    long contentLength) {

  /** Query parameters in one request; the line's length bounds them too. */
  private static final int MAX_QUERY_PARAMETERS = 256;

  /** {@code %C3}. */
  private static final int ESCAPE_CHARS = 3;

  /** A head that is answered at once, without a handler. */
  static final class Refused extends Exception {
    private static final long serialVersionUID = 1;
    final int status;
    final String reason;

    Refused(int status, String reason) {
      super(reason, null, false, false);
      this.status = status;
      this.reason = reason;
    }
  }

  boolean isHead() {
    return method.equals("HEAD");
  }

  /** Checks and takes apart a decoded head. */
  static RequestHead of(HttpRequest request, HttpOptions options) throws Refused {
    checkDecoded(request.decoderResult(), options);
    HttpHeaders headers = request.headers();
    boolean http11 = HttpVersion.HTTP_1_1.equals(request.protocolVersion());
    if (!http11 && !HttpVersion.HTTP_1_0.equals(request.protocolVersion())) {
      throw new Refused(400, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    // RFC 9112, section 3.2.
    if (http11 && headers.getAll(HttpHeaderNames.HOST).size() != 1) {
      throw new Refused(400, "exactly one Host header is required");
    }
    checkEncodings(headers);
    long contentLength = HttpUtil.getContentLength(request, -1L);
    if (contentLength > options.maxBodyBytes()) {
      throw tooLarge(options);
    }
    QueryStringDecoder target = target(request.uri());
    try {
      String path = target.path();
      checkEscapes(target.rawPath());
      return new RequestHead(
          request.method().name(),
          path,
          target.parameters(),
          headers,
          HttpUtil.isKeepAlive(request),
          http11,
          expectsContinue(headers, http11),
          contentLength);
    } catch (IllegalArgumentException e) {
      throw new Refused(400, "the request target has a malformed percent escape");
    }
  }

  static Refused tooLarge(HttpOptions options) {
    return new Refused(
        413, "the request body is larger than the limit of " + options.maxBodyBytes() + " bytes");
  }

  static void checkDecoded(DecoderResult result, HttpOptions options) throws Refused {
    if (result.isSuccess()) {
      return;
    }
    @Nullable Throwable cause = result.cause();
    if (cause instanceof TooLongHttpLineException) {
      throw new Refused(
          414,
          "the request line is longer than the limit of "
              + options.maxRequestLineBytes()
              + " bytes");
    }
    if (cause instanceof TooLongFrameException) {
      throw new Refused(
          431, "the headers are larger than the limit of " + options.maxHeaderBytes() + " bytes");
    }
    throw new Refused(400, "the request is not well-formed HTTP/1.1");
  }

  private static void checkEncodings(HttpHeaders headers) throws Refused {
    // Decompressing would let a small body become a huge one; JSON prompts don't need it.
    for (String encoding : headers.getAll(HttpHeaderNames.CONTENT_ENCODING)) {
      if (!encoding.trim().equalsIgnoreCase("identity")) {
        throw new Refused(415, "a compressed request body is not supported; send it uncompressed");
      }
    }
    List<String> transfer = headers.getAll(HttpHeaderNames.TRANSFER_ENCODING);
    if (transfer.isEmpty()) {
      return;
    }
    if (transfer.size() != 1 || !transfer.getFirst().trim().equalsIgnoreCase("chunked")) {
      throw new Refused(501, "the only transfer encoding supported is chunked");
    }
    // RFC 9112, section 6.3: both together smell of request smuggling.
    if (headers.contains(HttpHeaderNames.CONTENT_LENGTH)) {
      throw new Refused(400, "Content-Length and Transfer-Encoding exclude each other");
    }
  }

  private static boolean expectsContinue(HttpHeaders headers, boolean http11) throws Refused {
    String expect = headers.get(HttpHeaderNames.EXPECT);
    if (expect == null) {
      return false;
    }
    if (!expect.toLowerCase(Locale.ROOT).equals("100-continue")) {
      throw new Refused(417, "the only expectation supported is 100-continue");
    }
    return http11;
  }

  private static QueryStringDecoder target(String uri) throws Refused {
    try {
      if (uri.startsWith("/")) {
        return decoder(uri);
      }
      if (uri.equals("*")) {
        return decoder("*");
      }
      // The absolute form of RFC 9112, section 3.2.2.
      URI absolute = URI.create(uri);
      if (absolute.isAbsolute() && absolute.getRawPath() != null) {
        String path = absolute.getRawPath().isEmpty() ? "/" : absolute.getRawPath();
        String query = absolute.getRawQuery();
        return decoder(query == null ? path : path + "?" + query);
      }
    } catch (IllegalArgumentException e) {
      throw new Refused(400, "the request target is not a URI");
    }
    throw new Refused(400, "the request target must be a path or an http URI");
  }

  /**
   * Refuses percent escapes that are no UTF-8. Decoding puts the same character in the place of all
   * of them, so that one path would stand for many.
   *
   * @param path with escapes of two hexadecimal digits only
   */
  private static void checkEscapes(String path) throws Refused {
    ByteBuffer bytes = ByteBuffer.allocate(path.length() / ESCAPE_CHARS);
    CharBuffer chars = CharBuffer.allocate(bytes.capacity());
    for (int at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at)) {
      int first = at;
      for (; at < path.length() && path.charAt(at) == '%'; at += ESCAPE_CHARS) {
        bytes.put((byte) HexFormat.fromHexDigits(path, at + 1, at + ESCAPE_CHARS));
      }
      if (StandardCharsets.UTF_8.newDecoder().decode(bytes.flip(), chars, true).isError()) {
        int wrong = first + ESCAPE_CHARS * bytes.position();
        throw new Refused(
            400,
            "the request path is not UTF-8 behind its percent escapes: %s at character %d belongs to no character"
                .formatted(path.substring(wrong, wrong + ESCAPE_CHARS), wrong + 1));
      }
      bytes.clear();
      chars.clear();
    }
  }

  private static QueryStringDecoder decoder(String target) {
    return new QueryStringDecoder(target, StandardCharsets.UTF_8, true, MAX_QUERY_PARAMETERS);
  }
}
