package dev.weir.server.http;

/** Answers requests: plain blocking code, called on a virtual thread of the request's own. */
@FunctionalInterface
public interface Handler {
  /**
   * Answers one request, by exactly one of {@link Exchange#respond} and {@link
   * Exchange#startStream}.
   *
   * <p>A handler that throws (or returns) before it began an answer is answered for with 500; one
   * that throws in the middle of a stream gets its connection closed, so that the client sees a cut
   * stream and not a normal end. {@link ClientGoneException} is no error: let it pass through.
   *
   * @throws Exception anything; it is logged with the method and path
   */
  void handle(Exchange exchange) throws Exception;
}
