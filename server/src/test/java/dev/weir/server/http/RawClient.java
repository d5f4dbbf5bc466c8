package dev.weir.server.http;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;

/** A socket that says exactly what a test tells it to say. */
final class RawClient implements AutoCloseable {
  /** Generous: a test that waits this long has failed. */
  static final int PATIENCE_MILLIS = 60_000;

  private final Socket socket;

  private RawClient(Socket socket) {
    this.socket = socket;
  }

  static RawClient connect(HttpServer server) throws IOException {
    return connect(server, 0);
  }

  /** With a small receive buffer, a client that doesn't read fills up soon. */
  static RawClient connect(HttpServer server, int receiveBufferBytes) throws IOException {
    Socket socket = new Socket();
    if (receiveBufferBytes > 0) {
      socket.setReceiveBufferSize(receiveBufferBytes);
    }
    socket.setTcpNoDelay(true);
    socket.setSoTimeout(PATIENCE_MILLIS);
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
    return new RawClient(socket);
  }

  RawClient send(String text) throws IOException {
    return send(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  RawClient send(byte[] bytes) throws IOException {
    socket.getOutputStream().write(bytes);
    socket.getOutputStream().flush();
    return this;
  }

  RawClient get(String path) throws IOException {
    return send("GET " + path + " HTTP/1.1\r\nHost: weir\r\n\r\n");
  }

  /** Reads until the text was seen; returns everything up to and including it. */
  String readUntil(String end) throws IOException {
    InputStream in = socket.getInputStream();
    ByteArrayOutputStream seen = new ByteArrayOutputStream();
    while (true) {
      int next = in.read();
      if (next < 0) {
        throw new IOException("connection ended after: " + seen);
      }
      seen.write(next);
      String text = seen.toString(StandardCharsets.ISO_8859_1);
      if (text.endsWith(end)) {
        return text;
      }
    }
  }

  /** Reads a response with a Content-Length: its head and body. */
  String readResponse() throws IOException {
    String head = readUntil("\r\n\r\n");
    int length =
        head.lines()
            .filter(line -> line.startsWith("Content-Length: "))
            .mapToInt(line -> Integer.parseInt(line.substring("Content-Length: ".length())))
            .findFirst()
            .orElse(0);
    return head
        + new String(socket.getInputStream().readNBytes(length), StandardCharsets.ISO_8859_1);
  }

  /** Reads to the end of the connection; a reset counts as an end. */
  String readToEnd() throws IOException {
    ByteArrayOutputStream seen = new ByteArrayOutputStream();
    byte[] buffer = new byte[8192];
    try {
      for (int n; (n = socket.getInputStream().read(buffer)) >= 0; ) {
        seen.write(buffer, 0, n);
      }
    } catch (SocketException reset) {
      seen.writeBytes("<reset>".getBytes(StandardCharsets.ISO_8859_1));
    }
    return seen.toString(StandardCharsets.ISO_8859_1);
  }

  /** Closes in the ordinary way. */
  void leave() throws IOException {
    socket.close();
  }

  void halfClose() throws IOException {
    socket.shutdownOutput();
  }

  /** Closes with a reset instead of a normal end. */
  void reset() throws IOException {
    socket.setSoLinger(true, 0);
    socket.close();
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
