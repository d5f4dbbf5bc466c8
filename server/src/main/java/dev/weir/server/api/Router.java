package dev.weir.server.api;

import dev.weir.server.http.ErrorBody;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import dev.weir.server.protocol.ApiException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Finds the handler of a method and path; answers for it when it ends in a typed error. */
public final class Router implements Handler {
  /** What requests and replies are. */
  static final String JSON = ErrorBody.CONTENT_TYPE;

  /**
   * By path, then by method. A path that ends in {@code /} stands for all that start with it; the
   * root is only itself.
   */
  private final Map<String, Map<String, Handler>> routes;

  private Router(Map<String, Map<String, Handler>> routes) {
    this.routes = routes;
  }

  /** The shape of errors that the HTTP server finds by itself. */
  public static ErrorBody errorBody() {
    return ApiException::toJson;
  }

  /** A builder without routes. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects routes. */
  public static final class Builder {
    private final Map<String, Map<String, Handler>> routes = new LinkedHashMap<>();

    private Builder() {}

    /** A handler for GET (and HEAD). */
    public Builder get(String path, Handler handler) {
      routes.computeIfAbsent(path, _ -> new TreeMap<>()).put("GET", handler);
      return this;
    }

    /** A handler for POST with a JSON body. */
    public Builder post(String path, Handler handler) {
      routes.computeIfAbsent(path, _ -> new TreeMap<>()).put("POST", handler);
      return this;
    }

    /** A handler for DELETE. */
    public Builder delete(String path, Handler handler) {
      routes.computeIfAbsent(path, _ -> new TreeMap<>()).put("DELETE", handler);
      return this;
    }

    /** The router. */
    public Router build() {
      return new Router(new LinkedHashMap<>(routes));
    }
  }

  @Override
  public void handle(Exchange exchange) throws Exception {
    try {
      route(exchange);
    } catch (RuntimeException failure) {
      Optional<ApiException> error = ApiException.from(failure);
      if (error.isEmpty()) {
        throw failure;
      }
      ApiException e = error.get();
      exchange.respond(e.status(), JSON, e.toJson(), e.headers());
    }
  }

  private void route(Exchange exchange) throws Exception {
    Map<String, Handler> methods = methods(exchange.path());
    String allowed = String.join(", ", methods.keySet());
    if (exchange.method().equals("OPTIONS")) {
      exchange.respond(204, "", new byte[0], Map.of("Allow", allowed));
      return;
    }
    Handler handler = methods.get(exchange.method().equals("HEAD") ? "GET" : exchange.method());
    if (handler == null) {
      byte[] json = ApiException.toJson(405, "the method is not allowed here; allowed: " + allowed);
      exchange.respond(405, JSON, json, Map.of("Allow", allowed));
      return;
    }
    if (exchange.method().equals("POST")) {
      checkContentType(exchange);
    }
    handler.handle(exchange);
  }

  private Map<String, Handler> methods(String path) {
    Map<String, Handler> exact = routes.get(path);
    if (exact != null) {
      return exact;
    }
    for (Map.Entry<String, Map<String, Handler>> route : routes.entrySet()) {
      String prefix = route.getKey();
      boolean stands = prefix.endsWith("/") && prefix.length() > 1;
      if (stands && path.startsWith(prefix) && path.length() > prefix.length()) {
        return route.getValue();
      }
    }
    throw ApiException.of(404, null, null, "there is nothing at this path");
  }

  /**
   * A web page of a stranger may post plain text anywhere, but not JSON without being asked for.
   */
  private static void checkContentType(Exchange exchange) {
    String type = exchange.header("Content-Type");
    if (type != null) {
      String media = type.split(";", 2)[0].trim().toLowerCase(Locale.ROOT);
      if (!media.equals(JSON)) {
        throw ApiException.of(415, null, null, "the Content-Type must be application/json");
      }
    }
  }
}
