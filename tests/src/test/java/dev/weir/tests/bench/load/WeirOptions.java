package dev.weir.tests.bench.load;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Which servers are measured: some that run already, or Weir's own, started one after another. */
final class WeirOptions {
  /** Weir as it comes. */
  static final String DEFAULT_POLICY = "default";

  @Option(
      names = "--url",
      paramLabel = "[LABEL=]URL",
      description = "A server that runs, up to and without /v1; may be given several times.")
  private List<String> urls = List.of();

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "What Weir serves where there is no --url: a directory, or qwen3-0.6b or llama-3.2-1b for"
              + " random weights of that shape (default: ${DEFAULT-VALUE}).",
      defaultValue = "qwen3-0.6b")
  private String model = "qwen3-0.6b";

  @Option(
      names = "--policy",
      split = ",",
      paramLabel = "POLICY",
      description =
          "Weir's policies to compare, each in a server of its own: default, or what 'weir serve"
              + " --policy' takes.")
  private List<String> policies = List.of();

  @Option(
      names = "--shards",
      split = ",",
      paramLabel = "N",
      description = "Weir's shards; several are tried in turn (default: ${DEFAULT-VALUE}).",
      defaultValue = "2")
  private List<Integer> shards = List.of();

  @Option(
      names = "--serve-options",
      paramLabel = "OPTIONS",
      description = "More options for 'weir serve', in one string.",
      defaultValue = "")
  private String serveOptions = "";

  /**
   * A server to measure.
   *
   * @param label how tables and pictures call it
   * @param group servers of one group belong in one picture
   */
  record Candidate(String label, String group, Launch launch) {}

  /** Brings a server up, or finds it. */
  @FunctionalInterface
  interface Launch {
    WeirServer start() throws Exception;
  }

  /**
   * The servers, in the order in which they are measured.
   *
   * @param defaultPolicies what is compared unless the command line says it
   */
  List<Candidate> candidates(List<String> defaultPolicies) {
    List<Candidate> candidates = new ArrayList<>();
    for (String url : urls) {
      int label = url.indexOf('=');
      URI address = address(url.substring(label + 1));
      String name = label < 0 ? url : url.substring(0, label);
      candidates.add(new Candidate(name, "", () -> WeirServer.running(address)));
    }
    if (!urls.isEmpty()) {
      return candidates;
    }
    for (int count : shards) {
      for (String policy : policies.isEmpty() ? defaultPolicies : policies) {
        String options = "--shards " + count + " " + serveOptions;
        String all = policy.equals(DEFAULT_POLICY) ? options : "--policy " + policy + " " + options;
        String group = shards.size() > 1 ? count + "-shards" : "";
        candidates.add(
            new Candidate(
                policy + ", " + count + (count == 1 ? " shard" : " shards"),
                group,
                () -> WeirServer.start(model, all)));
      }
    }
    return candidates;
  }

  private static URI address(String url) {
    try {
      URI address = new URI(url);
      String scheme = address.getScheme();
      if (address.getHost() != null && ("http".equals(scheme) || "https".equals(scheme))) {
        return address;
      }
    } catch (URISyntaxException wrong) {
      // It is told like all others that are none.
    }
    throw new IllegalArgumentException(
        "'" + url + "' is no server's address; give for example http://127.0.0.1:8000");
  }
}
