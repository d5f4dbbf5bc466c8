package dev.weir.server.http;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One request and the answer to it. Used by the one thread that handles the request. */
public interface Exchange {
  /** The method in upper case, as sent: {@code GET}, {@code POST} … */
  String method();

  /** The percent-decoded path without the query, starting with {@code /} (or {@code *}). */
  String path();

  /** Percent-decoded query parameters in order; a name may have several values. */
  Map<String, List<String>> query();

  /** The first value of a header, name in any case; null where the request has none. */
  @Nullable String header(String name);

  /** All values of a header, name in any case, in order. */
  List<String> headers(String name);

  /** The whole body, at most {@link HttpOptions#maxBodyBytes()} bytes; not a copy. */
  byte[] body();

  /** Address and port of the client, for logs. */
  String remoteAddress();

  /**
   * Answers with a complete body. Returns when the answer is queued with less than the high
   * watermark outstanding, so a client that reads slowly makes this wait.
   *
   * @param status 200 to 599
   * @param contentType value of the Content-Type header; empty for none
   * @param body taken over, not copied: don't change it afterwards
   * @param headers further headers; Content-Length, Transfer-Encoding, Connection, Date and Server
   *     are the server's own
   * @throws ClientGoneException if nobody is there to read the answer
   * @throws IllegalStateException if the exchange has been answered already
   * @throws IllegalArgumentException for a header that is the server's own or not a legal one
   */
  void respond(int status, String contentType, byte[] body, Map<String, String> headers)
      throws ClientGoneException;

  /**
   * Begins an answer of unknown length; its head is sent at once. Parameters and errors as for
   * {@link #respond}.
   */
  ResponseStream startStream(int status, String contentType, Map<String, String> headers)
      throws ClientGoneException;

  /**
   * Asks to be told when the client goes away before it has its whole answer: it closed or reset
   * the connection, or shut down its writing side (see {@link HttpServer}), or the server gave it
   * up as too slow or because of shutdown. It is noticed without writing. The action runs at most
   * once, on a virtual thread of its own; at once on the calling thread if the client is gone
   * already; never once the answer has been handed to the operating system.
   */
  void onDisconnect(Runnable action);

  /** True once the client went away; stays true. */
  boolean isDisconnected();
}
