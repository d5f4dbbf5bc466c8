package dev.weir.tests.bench.load;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ProtocolException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * One HTTP/1.1 request on a connection of its own, whose answer is read line by line by the thread
 * that waits for it. {@code java.net.http} hands every piece of a stream from thread to thread: for
 * a small model that is more work than the token was, and where client and server share a machine
 * the server pays for it.
 */
final class HttpPost implements AutoCloseable {
  private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);
  private static final int BUFFER = 1 << 16;

  /** Longer lines are no events that anybody sends. */
  private static final int LONGEST_LINE = 1 << 24;

  private static final int MOST_HEADERS = 256;
  private static final int HTTPS_PORT = 443;
  private static final int HTTP_PORT = 80;
  private static final long UNTIL_CLOSED = Long.MAX_VALUE;

  private final Socket socket = new Socket();
  private final byte[] buffer = new byte[BUFFER];
  private InputStream in = InputStream.nullInputStream();
  private int position;
  private int limit;
  private int status;
  private boolean chunked;

  /** Bytes that are left of the body, or of the chunk. */
  private long left = UNTIL_CLOSED;

  /**
   * Sends the request and reads the answer's head.
   *
   * @param patience a server that says nothing for so long has failed
   * @throws java.net.SocketTimeoutException if it did
   */
  void send(URI url, Map<String, String> headers, byte[] body, Duration patience)
      throws IOException {
    boolean secure = url.getScheme().equals("https");
    int port = url.getPort() >= 0 ? url.getPort() : secure ? HTTPS_PORT : HTTP_PORT;
    socket.connect(
        new InetSocketAddress(url.getHost(), port), Math.toIntExact(CONNECT_LIMIT.toMillis()));
    socket.setTcpNoDelay(true);
    socket.setSoTimeout(Math.toIntExact(patience.toMillis()));
    Socket talking =
        secure
            ? ((SSLSocketFactory) SSLSocketFactory.getDefault())
                .createSocket(socket, url.getHost(), port, true)
            : socket;
    StringBuilder head = new StringBuilder();
    head.append("POST ").append(url.getRawPath()).append(" HTTP/1.1\r\n");
    head.append("Host: ").append(url.getHost()).append(':').append(port).append("\r\n");
    headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
    head.append("Connection: close\r\nContent-Length: ").append(body.length).append("\r\n\r\n");
    ByteArrayOutputStream request = new ByteArrayOutputStream();
    request.writeBytes(head.toString().getBytes(StandardCharsets.ISO_8859_1));
    request.writeBytes(body);
    OutputStream out = talking.getOutputStream();
    request.writeTo(out);
    out.flush();
    in = talking.getInputStream();
    readHead();
  }

  private void readHead() throws IOException {
    String first = headLine();
    String[] words = first.split(" ", 3);
    if (!first.startsWith("HTTP/1.") || words.length < 2) {
      throw new ProtocolException("no HTTP/1.1 answer: " + first);
    }
    status = Integer.parseInt(words[1]);
    for (int i = 0; i < MOST_HEADERS; i++) {
      String header = headLine().toLowerCase(Locale.ROOT);
      if (header.isEmpty()) {
        left = chunked ? 0 : left;
        return;
      }
      int colon = header.indexOf(':');
      String value = header.substring(colon + 1).strip();
      switch (header.substring(0, Math.max(0, colon))) {
        case "transfer-encoding" -> chunked = value.equals("chunked");
        case "content-length" -> left = Long.parseLong(value);
        default -> {} // says nothing about where the body ends
      }
    }
    throw new ProtocolException("more than " + MOST_HEADERS + " headers");
  }

  int status() {
    return status;
  }

  /** The body's next line, without its end; null where the body ends. */
  @Nullable String line() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int next = bodyByte();
    if (next < 0) {
      return null;
    }
    while (next >= 0 && next != '\n') {
      append(line, next);
      next = bodyByte();
    }
    return line.toString(StandardCharsets.UTF_8).stripTrailing();
  }

  private int bodyByte() throws IOException {
    if (left == 0 && chunked) {
      nextChunk();
    }
    if (left == 0) {
      return -1;
    }
    int next = rawByte();
    if (next < 0 && left != UNTIL_CLOSED) {
      throw new EOFException("the connection was closed inside the answer");
    }
    left -= left == UNTIL_CLOSED ? 0 : 1;
    if (left == 0 && chunked) {
      headLine(); // the end of the chunk's line
    }
    return next;
  }

  private void nextChunk() throws IOException {
    String size = headLine();
    left = Long.parseLong(size.split(";", 2)[0].strip(), 16);
    if (left == 0) {
      chunked = false; // trailers tell nothing, and the connection is not used again
    }
  }

  private String headLine() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int next = rawByte();
    while (next != '\n') {
      if (next < 0) {
        throw new EOFException("the connection was closed inside the answer");
      }
      append(line, next);
      next = rawByte();
    }
    return line.toString(StandardCharsets.ISO_8859_1).stripTrailing();
  }

  private static void append(ByteArrayOutputStream line, int next) throws ProtocolException {
    if (line.size() == LONGEST_LINE) {
      throw new ProtocolException("a line of more than " + LONGEST_LINE + " bytes");
    }
    line.write(next);
  }

  private int rawByte() throws IOException {
    if (position == limit) {
      position = 0;
      limit = Math.max(0, in.read(buffer));
      if (limit == 0) {
        return -1;
      }
    }
    return buffer[position++] & 0xFF;
  }

  /** Any thread: ends the connection, and whoever reads from it. */
  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException alreadyBroken) {
      // then it is closed
    }
  }
}
