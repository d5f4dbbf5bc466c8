package dev.weir.engine.request;

/** The engine is closed or closing. */
public final class EngineClosedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public EngineClosedException() {
    super("the engine is closed");
  }
}
