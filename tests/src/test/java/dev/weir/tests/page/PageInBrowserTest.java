package dev.weir.tests.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.Terms;
import dev.weir.server.api.Api;
import dev.weir.server.http.HttpOptions;
import dev.weir.server.http.HttpServer;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the page makes of the server's numbers, as a browser shows it. */
class PageInBrowserTest {
  private static final Path DEMO_MODEL =
      Path.of("..", "server", "src", "main", "resources", "dev", "weir", "server", "demo-model");

  /** Less than the page waits before its second poll. */
  private static final int ONE_POLL = 900;

  private static final int MANY_POLLS = 12_000;

  private static final long MILLI = 1_000_000;

  @SuppressWarnings("NullAway.Init")
  private Browser browser;

  @BeforeEach
  void findBrowser(@TempDir Path folder) {
    Optional<Browser> found = Browser.find(folder);
    assumeTrue(found.isPresent(), "skipped: there is no Chromium on this machine's search path");
    browser = found.orElseThrow();
  }

  /** What is to be read, without elements and their attributes, white space made single. */
  private static String text(String document) {
    String body = document.substring(document.indexOf("<body"));
    return body.replaceAll("(?s)<noscript>.*?</noscript>", "")
        .replaceAll("</?(?:small|span|b|bdi)\\b(?:\"[^\"]*\"|[^\">])*>", "")
        .replaceAll("<(?:\"[^\"]*\"|[^\">])*>", " ")
        .replaceAll("\\s+", " ");
  }

  private static StepRecord step(int number, int ms, int prefillTokens) {
    return new StepRecord(
        number,
        0,
        1000 * MILLI + 100L * MILLI * number,
        ms * MILLI,
        ms * MILLI,
        10 * MILLI,
        8,
        prefillTokens,
        prefillTokens > 0 ? 1 : 0);
  }

  @Test
  void givenADemoModelThatHasWorkedThenItsStepsAndShardsAreShown() throws Exception {
    try (Engine engine = Engine.open(EngineOptions.of(DEMO_MODEL).withSlots(4).withShards(2));
        HttpServer server = Api.serve(engine, "demo <b>model", HttpOptions.on("127.0.0.1", 0))) {
      for (int i = 0; i < 3; i++) {
        engine
            .submit(
                Request.of(Prompt.of("Once upon a time number " + i), Sampling.greedy(20))
                    .withTerms(Terms.DEFAULT.withSession("<b>session " + i)))
            .await();
      }
      long steps = engine.stats().steps();
      String document =
          browser.document(URI.create("http://127.0.0.1:" + server.port() + "/"), ONE_POLL);
      assertThat(document).contains("data-state=\"live\"").doesNotContain("<b>model", "<b>session");
      assertThat(text(document))
          .contains("demo &lt;b&gt;model")
          .contains("context 1,024 tokens")
          .contains("2 shards on 1 device")
          .contains("Device 0 · " + engine.deviceName())
          .contains("Newest: step " + (steps - 1) + " ·")
          .contains("of " + steps + " steps")
          .contains("target 1.25 ×")
          .contains("Requests 3")
          .contains("&lt;b&gt;session 0", "&lt;b&gt;session 1", "&lt;b&gt;session 2");
    }
  }

  @Test
  void givenStepsThenTheirPercentilesAndTheInflationOfMixedOnesAreShown() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      List<StepRecord> steps = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        steps.add(step(i, i + 1, 0)); // 1 to 100 ms
      }
      server.steps = steps;
      assertThat(text(browser.document(server.uri(), ONE_POLL)))
          .contains("p50 50.0 ms", "p95 95.0 ms", "p99 99.0 ms", "worst 100 ms")
          .contains("mixed steps none");
    }
    try (ScriptedServer server = new ScriptedServer()) {
      server.steps = List.of(step(0, 10, 0), step(1, 14, 64), step(2, 16, 512));
      server.metrics = "weir_itl_target_ratio 1.25\n";
      String document = browser.document(server.uri(), ONE_POLL);
      assertThat(text(document))
          .contains("mixed steps 1.50 × of decode alone, target 1.25 ×")
          .contains("step 2 · 16.0 ms, predicted 16.0 ms · 8 decode rows · alone 10.0 ms")
          .contains("512 prefill tokens of 1 prompt");
      assertThat(document).as("above the target").contains("<b class=\"bad\">1.50 ×</b>");
    }
  }

  @Test
  void givenAnOldPauseThenOnlyTheLastMinuteOfStepsCounts() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.steps = List.of(step(0, 90, 0), step(1000, 10, 0), step(1001, 20, 0));
      assertThat(text(browser.document(server.uri(), ONE_POLL)))
          .contains("worst 20.0 ms")
          .contains("over 2 steps of the last 1 min");
    }
  }

  @Test
  void givenMoreStepsThanAreKeptThenItIsShownHowFarTheyGoBack() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      List<StepRecord> steps = new ArrayList<>();
      for (int i = 0; i < 5000; i++) {
        steps.add(new StepRecord(i, 0, 1000 * MILLI + MILLI * i, MILLI, MILLI, MILLI, 1, 0, 0));
      }
      server.steps = steps;
      assertThat(text(browser.document(server.uri(), ONE_POLL)))
          .contains("over 4,096 steps of the last 4 s");
    }
  }

  @Test
  void givenALostDeviceThenItsShardsAreMarked() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.shards =
          List.of(
              new ShardStats(0, 0, "first device", true, 100, 40, 5, 25, 3),
              new ShardStats(1, 1, "second device", false, 100, 0, 0, 0, 0));
      server.metrics = "weir_host_kv_blocks 50\nweir_host_kv_blocks_cached 10\n";
      String document = browser.document(server.uri(), ONE_POLL);
      assertThat(text(document))
          .contains("2 shards on 2 devices, 1 lost")
          .contains("Device 0 · first device", "Device 1 · second device")
          .as("held, leased, cached without a lease, free, running")
          .contains("0 40 5 20 35 3")
          .contains("1 lost 0 0 0 100 0")
          .contains("Host memory · 10 of 50 blocks used");
      assertThat(document)
          .contains("aria-label=\"65 % of 100 blocks in use\"")
          .containsPattern("<tr[^>]*class=\"lost\"");
    }
  }

  @Test
  void givenSessionsThenItIsShownWhereTheirKvLies() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.sessions =
          List.of(
              new SessionInfo("busy", 2, 7, 4096, 4096, 0, 3, 0, 0),
              new SessionInfo("idle", 0, 1, 1000, 500, 300, 0, 65_000 * MILLI, 90_000 * MILLI),
              new SessionInfo("gone", 0, 2, 1000, 0, 0, 1, 65_000 * MILLI, 90_000 * MILLI));
      assertThat(text(browser.document(server.uri(), ONE_POLL)))
          .as("on the device, in host memory, evicted, turns, shard, idle, lease")
          .contains("busy 4,096 0 0 7 3 2 requests active –")
          .contains("idle 500 300 200 1 0 1 min 5 s 1 min 30 s")
          .as("nothing is left to be leased")
          .contains("gone 0 0 1,000 2 1 1 min 5 s –");
    }
  }

  @Test
  void givenHostileNamesThenTheyAreTextAndNothingElse() throws Exception {
    String hostile = "<img src=x onerror=\"document.body.dataset.state='owned'\"></td>&amp;";
    try (ScriptedServer server = new ScriptedServer()) {
      server.model = hostile + "1";
      server.shards = List.of(new ShardStats(0, 0, hostile + "2", true, 10, 0, 0, 0, 0));
      server.sessions = List.of(new SessionInfo(hostile + "3", 0, 1, 10, 10, 0, 0, 0, 0));
      server.steps = List.of(step(0, 10, 0));
      String document = browser.document(server.uri(), ONE_POLL);
      assertThat(document).contains("data-state=\"live\"");
      assertThat(document.replaceAll("\"[^\"]*\"", "\"\"")).doesNotContain("<img src=x");
      for (int i = 1; i <= 3; i++) {
        assertThat(document)
            .contains(
                "&lt;img src=x onerror=\"document.body.dataset.state='owned'\"&gt;&lt;/td&gt;"
                    + "&amp;amp;"
                    + i
                    + "</");
      }
    }
  }

  @Test
  void whenTheServerFailsThenThePageSaysSoAndKeepsWhatItKnew() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.shards = List.of(new ShardStats(0, 0, "a device", true, 100, 40, 5, 25, 3));
      server.fails = poll -> poll > 1;
      String document = browser.document(server.uri(), MANY_POLLS);
      assertThat(document)
          .contains("data-state=\"unreachable\"")
          .containsPattern("<p id=\"alert\" role=\"alert\">The server is not answering");
      assertThat(text(document))
          .contains("v1/weir/shards is answered with status 503")
          .contains("Trying again every 2 s")
          .contains("Device 0 · a device");
      assertThat(server.polls()).as("it goes on asking").isGreaterThan(3);
    }
  }

  @Test
  void whenTheServerComesBackThenThePageGoesOnByItself() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.fails =
          poll -> {
            server.shards = List.of(new ShardStats(0, 0, "poll " + poll, true, 100, 77, 0, 0, 1));
            return poll == 2 || poll == 3;
          };
      String document = browser.document(server.uri(), MANY_POLLS);
      assertThat(document)
          .contains("data-state=\"live\"")
          .containsPattern("<p id=\"alert\" role=\"alert\" hidden=\"\">");
      assertThat(server.polls()).isGreaterThan(3);
      assertThat(text(document))
          .contains("0 77 0 0 23 1")
          .containsPattern("Device 0 · poll ([4-9]|\\d\\d)");
    }
  }

  @Test
  void whenTheServerEndsThenThePageSaysThatThereIsNoConnection() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.fails =
          poll -> {
            if (poll == 2) {
              Thread.startVirtualThread(server::close);
            }
            return false;
          };
      String document = browser.document(server.uri(), MANY_POLLS);
      assertThat(document).contains("data-state=\"unreachable\"");
      assertThat(text(document)).contains("there is no connection");
    }
  }
}
