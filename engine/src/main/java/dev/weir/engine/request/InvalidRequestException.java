package dev.weir.engine.request;

/** A request that can never be served as it is: what a caller must change is named. */
public final class InvalidRequestException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String parameter;

  /**
   * @param parameter the field at fault, as OpenAI names it
   * @param message what was found and what is allowed
   */
  public InvalidRequestException(String parameter, String message) {
    super(message);
    this.parameter = parameter;
  }

  /** The field at fault. */
  public String parameter() {
    return parameter;
  }
}
