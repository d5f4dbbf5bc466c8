package dev.weir.server.http;

/**
 * Writes the JSON body of an error that no handler saw: a malformed request, a limit, a handler
 * that threw. So the API decides the shape of its errors and this package need not know JSON.
 */
@FunctionalInterface
public interface ErrorBody {
  /** What the bodies are. */
  String CONTENT_TYPE = "application/json";

  /**
   * UTF-8 JSON for an error.
   *
   * @param status 400 to 599
   * @param message what was wrong and what is allowed; text of the server's own, never the client's
   */
  byte[] json(int status, String message);
}
