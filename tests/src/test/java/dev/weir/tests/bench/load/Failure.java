package dev.weir.tests.bench.load;

/**
 * Why a request got no whole answer.
 *
 * @param message what the server or the client said
 */
record Failure(Kind kind, String message) {

  /** Whose fault it is, as far as a client can tell. */
  enum Kind {
    /** 429: the server has too much to do. */
    OVERLOADED,
    /** 408, 504 or a finish reason that says so: one of the server's time limits. */
    SERVER_TIMEOUT,
    /** Another 4xx. */
    REFUSED,
    /** Another 5xx, or an error inside a stream. */
    SERVER_ERROR,
    /** No connection, or one that broke. */
    CONNECTION,
    /** The client waited as long as it was told to. */
    CLIENT_TIMEOUT,
    /** The stream ended without saying that it is complete. */
    CUT_OFF
  }

  private static final int SHOWN = 300;

  static Failure ofStatus(int status, String body) {
    Kind kind =
        switch (status) {
          case 429 -> Kind.OVERLOADED;
          case 408, 504 -> Kind.SERVER_TIMEOUT;
          default -> status < 500 ? Kind.REFUSED : Kind.SERVER_ERROR;
        };
    String shown = body.substring(0, Math.min(body.length(), SHOWN));
    return new Failure(kind, "HTTP " + status + ": " + shown);
  }

  /** As people are told: what was said tells whose fault it is. */
  @Override
  public String toString() {
    return message;
  }
}
