package dev.weir.tests.bench.load;

import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.Map;

/**
 * The server under load.
 *
 * @param client shared by all requests
 * @param url up to and without {@code /v1}
 * @param model as the server calls it
 * @param extra fields that are added to every request's body
 * @param patience a request that is not done after this has failed
 */
record Target(
    HttpClient client, URI url, String model, Map<String, Object> extra, Duration patience) {

  private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);

  static Target of(URI url, String model, Map<String, Object> extra, Duration patience) {
    HttpClient client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT_LIMIT)
            .build();
    return new Target(client, url, model, extra, patience);
  }

  /** The address of one of the server's paths, wherever its own address is rooted. */
  URI at(String path) {
    String base = url.toString();
    return URI.create((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + path);
  }
}
