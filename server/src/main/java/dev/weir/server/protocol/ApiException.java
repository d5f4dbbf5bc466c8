package dev.weir.server.protocol;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.request.TimeLimitException;
import dev.weir.engine.request.UnknownSessionException;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** An error as the client gets it: a status and OpenAI's {@code {"error": {...}}}. */
public final class ApiException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private static final String INVALID_REQUEST = "invalid_request_error";
  private static final String SERVER_ERROR = "server_error";

  /** Characters of a client's text in a message: enough to find it again. */
  private static final int MAX_EXCERPT = 40;

  private final int status;
  private final String type;
  private final @Nullable String param;
  private final @Nullable String code;
  private final int retryAfterSeconds;

  private ApiException(
      int status,
      String type,
      @Nullable String param,
      @Nullable String code,
      String message,
      int retryAfterSeconds,
      @Nullable Throwable cause) {
    super(message, cause);
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /**
   * 400: the request is wrong.
   *
   * @param param path of the field at fault, as {@code messages[2].content}; null where no single
   *     field is
   * @param message what was wrong and what is allowed
   */
  public static ApiException invalid(@Nullable String param, String message) {
    return of(400, param, null, message);
  }

  /**
   * 400: the field means something that Weir cannot do, and ignoring it would change the answer.
   */
  public static ApiException unsupported(String param, String hint) {
    return of(400, param, "unsupported_parameter", param + " is not supported yet; " + hint);
  }

  /** 404: no such model. */
  public static ApiException modelNotFound(String asked, String served) {
    return of(
        404,
        "model",
        "model_not_found",
        "there is no model " + excerpt(asked) + " here; the model served is \"" + served + "\"");
  }

  /** Any other error that is the client's. */
  public static ApiException of(
      int status, @Nullable String param, @Nullable String code, String message) {
    return new ApiException(status, INVALID_REQUEST, param, code, message, 0, null);
  }

  /** The error as which one of the engine's reaches the client; empty for any other exception. */
  public static Optional<ApiException> from(RuntimeException failure) {
    return Optional.ofNullable(
        switch (failure) {
          case ApiException e -> e;
          case InvalidRequestException e ->
              new ApiException(
                  400, INVALID_REQUEST, e.parameter(), null, String.valueOf(e.getMessage()), 0, e);
          case OverloadedException e ->
              new ApiException(
                  429,
                  "rate_limit_error",
                  null,
                  "overloaded",
                  String.valueOf(e.getMessage()),
                  e.retryAfterSeconds(),
                  e);
          case TimeLimitException e ->
              new ApiException(
                  e.clock() == TimeLimit.QUEUE ? 408 : 504,
                  "timeout_error",
                  null,
                  Accounts.name(e.clock()),
                  String.valueOf(e.getMessage()),
                  0,
                  e);
          case UnknownSessionException e ->
              new ApiException(
                  404,
                  INVALID_REQUEST,
                  "session_id",
                  "session_not_found",
                  String.valueOf(e.getMessage()),
                  0,
                  e);
          case SessionEvictedException e ->
              new ApiException(
                  410,
                  INVALID_REQUEST,
                  "session_id",
                  "session_evicted",
                  String.valueOf(e.getMessage()),
                  0,
                  e);
          case EngineClosedException e ->
              new ApiException(
                  503, SERVER_ERROR, null, "shutting_down", "the server is shutting down", 0, e);
          case RequestFailedException e when e.deviceLost() ->
              new ApiException(
                  503,
                  SERVER_ERROR,
                  null,
                  "device_lost",
                  "a device was lost with this request on it: " + e.getMessage(),
                  0,
                  e);
          case RequestFailedException e ->
              new ApiException(
                  500,
                  SERVER_ERROR,
                  null,
                  "request_failed",
                  "the engine could not finish this request: " + e.getMessage(),
                  0,
                  e);
          default -> null;
        });
  }

  /** The HTTP status. */
  public int status() {
    return status;
  }

  /** Path of the field at fault; null where no single field is. */
  public @Nullable String param() {
    return param;
  }

  /** The machine-readable code; null where the status says it all. */
  public @Nullable String code() {
    return code;
  }

  /** Headers that belong to the error. */
  public Map<String, String> headers() {
    return retryAfterSeconds > 0
        ? Map.of("Retry-After", String.valueOf(retryAfterSeconds))
        : Map.of();
  }

  /** OpenAI's error object as UTF-8 JSON. */
  public byte[] toJson() {
    return json(type, param, code, String.valueOf(getMessage()));
  }

  /** OpenAI's error object for an error that was only noticed as a status. */
  public static byte[] toJson(int status, String message) {
    return json(status < 500 ? INVALID_REQUEST : SERVER_ERROR, null, null, message);
  }

  private static byte[] json(
      String type, @Nullable String param, @Nullable String code, String message) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.putObject("error")
        .put("message", message)
        .put("type", type)
        .put("param", param)
        .put("code", code);
    return Json.write(root);
  }

  /** A client's text in a message: quoted, short and on one line. */
  static String excerpt(String text) {
    StringBuilder shown = new StringBuilder("\"");
    text.codePoints()
        .limit(MAX_EXCERPT)
        .map(c -> Character.isISOControl(c) || (c >= 0xD800 && c <= 0xDFFF) ? '?' : c)
        .forEach(shown::appendCodePoint);
    return shown
        .append(text.codePointCount(0, text.length()) > MAX_EXCERPT ? "…\"" : "\"")
        .toString();
  }
}
