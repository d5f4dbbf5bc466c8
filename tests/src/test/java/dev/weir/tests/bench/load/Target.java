package dev.weir.tests.bench.load;

import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;

/**
 * The server under load.
 *
 * @param client shared by all requests
 * @param url up to and without {@code /v1}
 * @param model as the server calls it
 * @param vocabulary prompts are made of token ids below this
 * @param patience a request that has got nothing for so long has failed
 */
record Target(HttpClient client, URI url, String model, int vocabulary, Duration patience) {

  /** Ids below are special tokens in most vocabularies. */
  static final int FIRST_ORDINARY_TOKEN = 16;

  static Target of(URI url, String model, int vocabulary, Duration patience) {
    HttpClient client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();
    return new Target(client, url, model, vocabulary, patience);
  }
}
