package dev.weir.server.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TimeLimits;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Terms: where clients and routers write them, and that none is passed over. */
final class TermsReadingTest {
  private static final ModelFacts MODEL = new ModelFacts(1000, 64, 8, SamplingDefaults.OPENAI);

  /** Headers as {@code Name: value} lines. */
  private static Headers headers(String... lines) {
    Map<String, List<String>> all = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (String line : lines) {
      int colon = line.indexOf(": ");
      all.computeIfAbsent(line.substring(0, colon), _ -> new ArrayList<>())
          .add(line.substring(colon + 2));
    }
    return name -> all.getOrDefault(name, List.of());
  }

  private static Terms terms(String field, String... lines) {
    String more = field.isEmpty() ? "" : "," + field;
    Terms inCompletion =
        CompletionRequest.read(
                ("{\"prompt\":\"a\"" + more + "}").getBytes(StandardCharsets.UTF_8),
                headers(lines),
                MODEL)
            .terms();
    Terms inChat =
        ChatRequest.read(
                ("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]" + more + "}")
                    .getBytes(StandardCharsets.UTF_8),
                headers(lines),
                MODEL)
            .terms();
    assertThat(inChat).as("both endpoints read the same").isEqualTo(inCompletion);
    return inChat;
  }

  @Test
  void whoSaysNothingGetsTheDefaultTerms() {
    assertThat(terms("")).isEqualTo(Terms.DEFAULT);
    assertThat(
            terms(
                "\"session_id\":null,\"routed_dp_rank\":null,\"data_parallel_rank\":null,"
                    + "\"priority\":null,\"user\":null,\"safety_identifier\":null,"
                    + "\"queue_timeout\":null,\"ttft_deadline\":null,\"deadline\":null"))
        .isEqualTo(Terms.DEFAULT);
  }

  @Test
  void aSessionIsNamedInTheBodyOrInEitherHeader() {
    for (Terms terms :
        List.of(
            terms("\"session_id\":\"s 1/é\""), terms("\"session_id\":\"s 1/é\"", "X-Other: x"))) {
      assertThat(terms.session()).contains("s 1/é");
    }
    assertThat(terms("", "x-session-id: a").session()).contains("a");
    assertThat(terms("", "X-SMG-Routing-Key: a").session()).contains("a");
    assertThat(terms("\"session_id\":\"a\"", "X-Session-ID: a", "X-SMG-Routing-Key: a").session())
        .as("the same name in all places")
        .contains("a");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"routed_dp_rank\":7",
        "\"data_parallel_rank\":7",
        "\"routed_dp_rank\":7.0",
        "\"routed_dp_rank\":7,\"data_parallel_rank\":7"
      })
  void aPinIsReadFromEitherField(String fields) {
    assertThat(terms(fields).shard()).hasValue(7);
    assertThat(terms(fields, "X-data-parallel-rank: 7").shard()).hasValue(7);
  }

  @Test
  void aPinIsReadFromTheHeader() {
    assertThat(terms("", "X-Data-Parallel-Rank: 0").shard()).hasValue(0);
  }

  @Test
  void aTenantIsTheHeadersOrElseTheUserOfTheBody() {
    assertThat(terms("\"user\":\"u\"").tenant()).contains("u");
    assertThat(terms("\"user\":\"u\",\"safety_identifier\":\"i\"").tenant()).contains("i");
    assertThat(terms("\"user\":\"u\"", "X-Tenant-ID: t").tenant())
        .as("a client cannot leave the tenant that a proxy puts it in")
        .contains("t");
    assertThat(terms("\"user\":\"\"").tenant()).isEmpty();
  }

  @Test
  void priorityAndTimeLimitsAreNumbers() {
    assertThat(terms("\"priority\":-3").priority()).isEqualTo(-3);
    assertThat(terms("\"queue_timeout\":0.25,\"ttft_deadline\":30,\"deadline\":600.5").limits())
        .isEqualTo(
            new TimeLimits(
                Optional.of(Duration.ofMillis(250)),
                Optional.of(Duration.ofSeconds(30)),
                Optional.of(Duration.ofMillis(600_500))));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "session_id         | \"session_id\":7                     | is a number",
        "session_id         | \"session_id\":[\"a\"]               | is an array",
        "session_id         | \"session_id\":\"\"                  | from 1 to 256",
        "session_id         | \"session_id\":\"a\\u0000b\"         | control characters",
        "session_id         | \"session_id\":\"a\\r\\nX: 1\"       | control characters",
        "session_id         | \"session_id\":\"a\\u0085\"          | control characters",
        "routed_dp_rank     | \"routed_dp_rank\":8                 | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":-1                | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":1.5               | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":\"1\"             | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":true              | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":1e300             | has 8, numbered from 0",
        "data_parallel_rank | \"data_parallel_rank\":4294967296    | has 8, numbered from 0",
        "data_parallel_rank | \"data_parallel_rank\":18446744073709551616 | has 8, numbered from 0",
        "routed_dp_rank     | \"routed_dp_rank\":1,\"data_parallel_rank\":2 | data_parallel_rank is \"2\"",
        "priority           | \"priority\":9                       | from -8 to 8",
        "priority           | \"priority\":\"high\"                | is a string",
        "priority           | \"priority\":1.5                     | whole number",
        "priority           | \"priority\":99999999999             | out of range",
        "user               | \"user\":5                           | is a number",
        "safety_identifier  | \"safety_identifier\":\"a\\nb\"      | control characters",
        "queue_timeout      | \"queue_timeout\":0                  | from 0.001 to 1000000 seconds",
        "queue_timeout      | \"queue_timeout\":-1                 | from 0.001 to 1000000 seconds",
        "ttft_deadline      | \"ttft_deadline\":1e-12              | from 0.001 to 1000000 seconds",
        "deadline           | \"deadline\":1e999                   | from 0.001 to 1000000 seconds",
        "deadline           | \"deadline\":9007199254740993        | from 0.001 to 1000000 seconds",
        "deadline           | \"deadline\":\"60\"                  | a number of seconds",
        "deadline           | \"deadline\":{}                      | a number of seconds",
        "include_account    | \"include_account\":1                | true or false",
      })
  void aWrongTermIsNamed(String param, String fields, String message) {
    refused(param, message, fields);
  }

  @Test
  void aWrongTermInAHeaderIsNamed() {
    refused("X-data-parallel-rank", "has 8, numbered from 0", "", "X-data-parallel-rank: 8");
    refused("X-data-parallel-rank", "has 8, numbered from 0", "", "X-data-parallel-rank: -1");
    refused("X-data-parallel-rank", "has 8, numbered from 0", "", "X-data-parallel-rank: one");
    refused("X-data-parallel-rank", "has 8, numbered from 0", "", "X-data-parallel-rank: ");
    refused(
        "X-data-parallel-rank",
        "has 8, numbered from 0",
        "",
        "X-data-parallel-rank: 99999999999999999999");
    refused("X-Session-ID", "from 1 to 256", "", "X-Session-ID: ");
    refused("X-Session-ID", "from 1 to 256", "", "X-Session-ID: " + "a".repeat(257));
    refused("X-SMG-Routing-Key", "printable ASCII", "", "X-SMG-Routing-Key: \u00c3\u00a9");
    refused("X-Tenant-ID", "printable ASCII", "", "X-Tenant-ID: a\tb");
    refused("X-Weir-Heartbeat", "from 0.1 to 3600", "", "X-Weir-Heartbeat: 0.01");
    refused("X-Weir-Heartbeat", "from 0.1 to 3600", "", "X-Weir-Heartbeat: 3601");
    refused("X-Weir-Heartbeat", "from 0.1 to 3600", "", "X-Weir-Heartbeat: NaN");
    refused("X-Weir-Heartbeat", "from 0.1 to 3600", "", "X-Weir-Heartbeat: -1");
    refused("X-Weir-Account", "must be 1 or 0", "", "X-Weir-Account: yes please");
  }

  @Test
  void twoNamesForOneThingAreRefusedAndBothAreNamed() {
    refused(
        "session_id",
        "session_id is \"a\" but X-Session-ID is \"b\"",
        "\"session_id\":\"a\"",
        "X-Session-ID: b");
    refused(
        "X-Session-ID",
        "X-Session-ID is \"a\" but X-SMG-Routing-Key is \"b\"",
        "",
        "X-Session-ID: a",
        "X-SMG-Routing-Key: b");
    refused("X-Session-ID", "is there twice", "", "X-Session-ID: a", "X-Session-ID: b");
    refused(
        "routed_dp_rank",
        "routed_dp_rank is \"1\" but X-data-parallel-rank is \"2\"",
        "\"routed_dp_rank\":1",
        "X-data-parallel-rank: 2");
  }

  @Test
  void theFormOfAReplyIsReadFromHeadersToo() {
    Headers both = headers("X-Weir-Account: 1", "X-Weir-Heartbeat: 2.5");
    byte[] body = "{\"prompt\":\"a\"}".getBytes(StandardCharsets.UTF_8);
    ReplyForm form = CompletionRequest.read(body, both, MODEL).form();
    assertThat(form)
        .isEqualTo(new ReplyForm(false, false, false, true, Optional.of(Duration.ofMillis(2500))));
    assertThat(
            CompletionRequest.read(body, headers("X-Weir-Heartbeat: 0"), MODEL).form().heartbeat())
        .contains(Duration.ZERO);
  }

  private static void refused(String param, String message, String field, String... lines) {
    assertThatThrownBy(() -> terms(field, lines))
        .asInstanceOf(type(ApiException.class))
        .satisfies(e -> assertThat(e.param()).isEqualTo(param))
        .satisfies(e -> assertThat(e.status()).isEqualTo(400))
        .satisfies(e -> assertThat(e).hasMessageContaining(message));
  }
}
