package dev.weir.server.http;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Status line and headers as bytes (RFC 9112, sections 4 and 5). Written here rather than by
 * Netty's encoder: so a streamed event is one buffer on its way out, and the framing headers have
 * one owner.
 */
final class ResponseHead {
  static final byte[] CONTINUE =
      "HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  /** How the end of the body is marked. */
  enum Framing {
    LENGTH,
    CHUNKED,
    UNTIL_CLOSE,
    NONE
  }

  private static final String SERVER = "weir";
  private static final Set<String> OWN_HEADERS =
      Set.of("date", "server", "connection", "content-length", "transfer-encoding", "content-type");
  // RFC 9110, section 5.6.7; unlike RFC_1123_DATE_TIME it always has a two-digit day.
  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("EEE, dd MMM uuuu HH:mm:ss 'GMT'", Locale.US)
          .withZone(ZoneOffset.UTC);

  private ResponseHead() {}

  static byte[] encode(
      int status,
      String contentType,
      Map<String, String> headers,
      Framing framing,
      long length,
      boolean keepAlive,
      Instant now) {
    if (status < 200 || status > 599) {
      throw new IllegalArgumentException("status must be 200 to 599, not " + status);
    }
    StringBuilder head = new StringBuilder(256);
    head.append("HTTP/1.1 ").append(status).append(' ').append(reason(status)).append("\r\n");
    line(head, "Server", SERVER);
    line(head, "Date", DATE.format(now));
    if (!contentType.isEmpty()) {
      line(head, "Content-Type", contentType);
    }
    switch (framing) {
      case LENGTH -> line(head, "Content-Length", Long.toString(length));
      case CHUNKED -> line(head, "Transfer-Encoding", "chunked");
      case UNTIL_CLOSE, NONE -> {}
    }
    line(head, "Connection", keepAlive ? "keep-alive" : "close");
    headers.forEach(
        (name, value) -> {
          if (OWN_HEADERS.contains(name.toLowerCase(Locale.ROOT))) {
            throw new IllegalArgumentException("the server sets the header " + name + " itself");
          }
          line(head, name, value);
        });
    head.append("\r\n");
    return head.toString().getBytes(StandardCharsets.ISO_8859_1);
  }

  private static void line(StringBuilder head, String name, String value) {
    boolean legalName = !name.isEmpty() && name.chars().allMatch(ResponseHead::isNameCharacter);
    // A line break in a value would let it forge headers.
    boolean legalValue = value.chars().allMatch(c -> (c >= ' ' && c <= '~') || c == '\t');
    if (!legalName || !legalValue) {
      throw new IllegalArgumentException("not a legal header: " + name);
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }

  private static boolean isNameCharacter(int c) {
    return (c >= '0' && c <= '9')
        || (c >= 'A' && c <= 'Z')
        || (c >= 'a' && c <= 'z')
        || c == '-'
        || c == '_';
  }

  private static String reason(int status) {
    return switch (status) {
      case 200 -> "OK";
      case 204 -> "No Content";
      case 400 -> "Bad Request";
      case 401 -> "Unauthorized";
      case 403 -> "Forbidden";
      case 404 -> "Not Found";
      case 405 -> "Method Not Allowed";
      case 408 -> "Request Timeout";
      case 409 -> "Conflict";
      case 410 -> "Gone";
      case 413 -> "Content Too Large";
      case 414 -> "URI Too Long";
      case 415 -> "Unsupported Media Type";
      case 417 -> "Expectation Failed";
      case 422 -> "Unprocessable Content";
      case 429 -> "Too Many Requests";
      case 431 -> "Request Header Fields Too Large";
      case 500 -> "Internal Server Error";
      case 501 -> "Not Implemented";
      case 503 -> "Service Unavailable";
      case 504 -> "Gateway Timeout";
      default -> "";
    };
  }
}
