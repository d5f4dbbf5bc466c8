package dev.weir.server.http;

import java.io.IOException;

/** Nobody is there to read the answer: an end of the exchange, not an error of the server. */
public class ClientGoneException extends IOException {
  private static final long serialVersionUID = 1;

  /** With what happened to the client. */
  public ClientGoneException(String message) {
    super(message);
  }
}
