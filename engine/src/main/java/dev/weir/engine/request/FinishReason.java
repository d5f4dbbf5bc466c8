package dev.weir.engine.request;

/** Why a choice ended. A failure is no reason: it is a {@link RequestFailedException}. */
public enum FinishReason {
  /** A stop token or a stop string. */
  STOP,
  /** {@code maxTokens}, or the end of the context. */
  LENGTH,
  /** One of the request's clocks ran out; what was generated until then is kept. */
  TIMEOUT,
  /** The caller cancelled; what was generated until then is kept. */
  CANCELLED
}
