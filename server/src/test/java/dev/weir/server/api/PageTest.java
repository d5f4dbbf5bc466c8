package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The built-in page as files: how they are served, and that they need nothing from elsewhere. */
final class PageTest {
  private static final List<String> FILES = List.of("/", "/weir.css", "/weir.js", "/weir.svg");

  /** The name of a namespace, which nobody loads. */
  private static final String SVG_NAMESPACE = "xmlns=\"http://www.w3.org/2000/svg\"";

  private static final Pattern ELSEWHERE = Pattern.compile("(?i)\\w+://|[\"'(]//|url\\(|@import");

  private static final Pattern LINK = Pattern.compile("(?:href|src)=\"([^\"]*)\"");

  private static final Pattern ASKED = Pattern.compile("ask\\(\\s*\"([^\"]+)\"");

  @SuppressWarnings("NullAway.Init")
  private ApiFixture api;

  @BeforeEach
  void serve() throws IOException {
    api = new ApiFixture();
  }

  @AfterEach
  void stop() {
    api.close();
  }

  private static String header(HttpResponse<String> response, String name) {
    return response.headers().firstValue(name).orElse("");
  }

  @Test
  void itsFilesAreServedWithAPolicyThatLetsNothingElseIn() throws Exception {
    for (String path : FILES) {
      HttpResponse<String> file = api.get(path);
      assertThat(file.statusCode()).as(path).isEqualTo(200);
      assertThat(header(file, "Content-Security-Policy"))
          .as(path)
          .contains("default-src 'none'", "script-src 'self'", "connect-src 'self'")
          .contains("frame-ancestors 'none'", "require-trusted-types-for 'script'")
          .doesNotContain("unsafe", "*", "data:");
      assertThat(header(file, "X-Content-Type-Options")).as(path).isEqualTo("nosniff");
    }
    assertThat(header(api.get("/"), "Content-Type")).isEqualTo("text/html; charset=utf-8");
    assertThat(header(api.get("/weir.js"), "Content-Type")).startsWith("text/javascript");
    assertThat(header(api.get("/weir.css"), "Content-Type")).startsWith("text/css");
    assertThat(header(api.get("/weir.svg"), "Content-Type")).isEqualTo("image/svg+xml");
  }

  @Test
  void aBrowserAsksEachTimeAndGetsAnUnchangedFileOnlyOnce() throws Exception {
    for (String path : FILES) {
      HttpResponse<String> first = api.get(path);
      assertThat(header(first, "Cache-Control")).isEqualTo("no-cache");
      String tag = header(first, "ETag");
      assertThat(tag).as(path).matches("\"[0-9a-f]{32}\"");
      for (String kept : List.of(tag, "W/" + tag, "\"other\", " + tag)) {
        HttpResponse<String> again = api.get(path, "If-None-Match", kept);
        assertThat(again.statusCode()).as(kept).isEqualTo(304);
        assertThat(again.body()).isEmpty();
        assertThat(header(again, "ETag")).isEqualTo(tag);
      }
      assertThat(api.get(path, "If-None-Match", "\"other\"").statusCode()).isEqualTo(200);
    }
  }

  @Test
  void nothingInItPointsElsewhere() throws Exception {
    for (String path : FILES) {
      String text = api.get(path).body().replace(SVG_NAMESPACE, "");
      assertThat(ELSEWHERE.matcher(text).results().map(r -> r.group()).toList()).as(path).isEmpty();
    }
  }

  @Test
  void textOfTheServerIsNeverMadeMarkup() throws Exception {
    assertThat(api.get("/weir.js").body())
        .doesNotContain("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(");
    assertThat(api.get("/").body()).doesNotContain("style=", "<style", "onclick", "onload");
  }

  @Test
  void allThatItLinksToAndAsksForIsServed() throws Exception {
    List<String> links =
        LINK.matcher(api.get("/").body()).results().map(r -> "/" + r.group(1)).distinct().toList();
    assertThat(links).contains("/weir.js", "/weir.css", "/metrics", "/health");
    List<String> asked =
        ASKED
            .matcher(api.get("/weir.js").body())
            .results()
            .map(r -> "/" + r.group(1))
            .map(path -> path.endsWith("=") ? path + "1" : path)
            .toList();
    assertThat(asked)
        .containsExactlyInAnyOrder(
            "/v1/models",
            "/v1/weir/steps?after=1",
            "/v1/weir/shards",
            "/metrics",
            "/v1/sessions?limit=1");
    for (String path : List.of(links, asked).stream().flatMap(List::stream).toList()) {
      assertThat(api.get(path).statusCode()).as(path).isEqualTo(200);
    }
  }

  @Test
  void theRootStandsForNothingBelowIt() throws Exception {
    assertThat(api.get("/nothing").statusCode()).isEqualTo(404);
    assertThat(api.post("/nothing", "{}").statusCode()).isEqualTo(404);
    assertThat(api.post("/", "{}").statusCode()).isEqualTo(405);
  }
}
