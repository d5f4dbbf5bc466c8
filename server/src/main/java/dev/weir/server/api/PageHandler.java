package dev.weir.server.api;

import dev.weir.server.http.ClientGoneException;
import dev.weir.server.http.Exchange;
import dev.weir.server.http.Handler;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One file of the built-in page: {@code GET /} and what it loads. The files lie in the jar as they
 * are written; nothing builds them. A browser keeps them and asks each time whether they changed
 * (RFC 9110, section 13.1.2).
 */
public final class PageHandler implements Handler {
  private static final String FOLDER = "/dev/weir/server/page/";

  /**
   * The page loads only from where it comes from, and no text can become markup or script in it
   * (Content Security Policy Level 3; Trusted Types).
   */
  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
          + " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
          + " require-trusted-types-for 'script'; trusted-types 'none'";

  /** Enough of a SHA-256 that no two versions of a file share it. */
  private static final int TAG_BYTES = 16;

  private final String contentType;
  private final byte[] file;
  private final String tag;
  private final Map<String, String> headers;

  private PageHandler(String name, String contentType) {
    this.contentType = contentType;
    file = read(name);
    tag = '"' + HexFormat.of().formatHex(digest(file), 0, TAG_BYTES) + '"';
    headers = new LinkedHashMap<>();
    headers.put("ETag", tag);
    headers.put("Cache-Control", "no-cache");
    headers.put("Content-Security-Policy", POLICY);
    headers.put("X-Content-Type-Options", "nosniff");
    headers.put("Referrer-Policy", "no-referrer");
  }

  /** Adds the page to a server's routes. */
  public static Router.Builder addTo(Router.Builder routes) {
    return routes
        .get("/", new PageHandler("index.html", "text/html; charset=utf-8"))
        .get("/weir.css", new PageHandler("weir.css", "text/css; charset=utf-8"))
        .get("/weir.js", new PageHandler("weir.js", "text/javascript; charset=utf-8"))
        .get("/weir.svg", new PageHandler("weir.svg", "image/svg+xml"));
  }

  @Override
  public void handle(Exchange exchange) throws ClientGoneException {
    if (isKept(exchange)) {
      exchange.respond(304, "", new byte[0], headers);
    } else {
      exchange.respond(200, contentType, file, headers);
    }
  }

  /** Whether the client has this version already. */
  private boolean isKept(Exchange exchange) {
    return exchange.headers("If-None-Match").stream()
        .flatMap(tags -> Arrays.stream(tags.split(",", -1)))
        .map(String::strip)
        .anyMatch(kept -> kept.equals("*") || kept.equals(tag) || kept.equals("W/" + tag));
  }

  private static byte[] read(String name) {
    try (InputStream in = PageHandler.class.getResourceAsStream(FOLDER + name)) {
      if (in == null) {
        throw new IllegalStateException("this build lacks a file of the page: " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] digest(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
