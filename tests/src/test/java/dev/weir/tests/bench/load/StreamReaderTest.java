package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** How streams of different servers are read. */
class StreamReaderTest {
  private final StreamReader reader = new StreamReader();

  @Test
  void aPieceIsAChunkWithText() {
    assertThat(reader.read("data: {\"choices\":[{\"text\":\" so\"}]}")).isTrue();
    assertThat(reader.read("data:{\"choices\":[{\"delta\":{\"content\":\" on\"}}]}")).isTrue();
    assertThat(
            reader.read(
                "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"))
        .isFalse();
    assertThat(reader.read("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"))
        .isFalse();
    assertThat(reader.answer().text()).isEqualTo(" so on");
  }

  @Test
  void heartbeatsAndEmptyLinesAreNoPieces() {
    assertThat(reader.read(": heartbeat")).isFalse();
    assertThat(reader.read("")).isFalse();
  }

  @Test
  void usageAndTheEndAreNoted() {
    reader.read(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"
            + "\"prompt_tokens_details\":{\"cached_tokens\":8}}}");
    assertThat(reader.complete()).isFalse();
    reader.read("data: [DONE]");

    assertThat(reader.complete()).isTrue();
    assertThat(reader.promptTokens()).isEqualTo(9);
    assertThat(reader.outputTokens()).isEqualTo(3);
    assertThat(reader.cachedTokens()).isEqualTo(8);
  }

  @Test
  void tokenIdsAreCollectedWhereTheyAreTold() {
    reader.read("data: {\"choices\":[{\"text\":\"a\",\"token_ids\":[5,6]}]}");
    reader.read("data: {\"choices\":[{\"text\":\"b\",\"token_ids\":[7]}]}");

    assertThat(reader.answer().ids()).containsExactly(5, 6, 7);
  }

  @Test
  void errorsInsideAStreamAreFailures() {
    reader.read("data: {\"error\":{\"message\":\"out of memory\"}}");

    assertThat(reader.failure())
        .isNotNull()
        .extracting(Failure::kind)
        .isEqualTo(Failure.Kind.SERVER_ERROR);
  }

  @Test
  void countersOfEveryDeviceAreSummed() {
    String metrics =
        """
        # TYPE weir_steps_total counter
        weir_steps_total{device="0"} 10.0
        weir_steps_total{device="1"} 5.0
        weir_step_seconds_total 1.5
        weir_prefill_tokens_total 1.2E3
        """;

    assertThat(EngineWork.parse(metrics)).isEqualTo(new EngineWork(15, 1.5, 1200));
    assertThat(EngineWork.parse("llamacpp:n_decode_total 4\n")).isNull();
  }
}
