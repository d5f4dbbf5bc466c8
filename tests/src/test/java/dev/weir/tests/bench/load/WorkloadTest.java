package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.weir.tests.bench.load.Workload.Dialogue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is asked, and when. */
class WorkloadTest {
  private static final PromptMaker TOKENS = new PromptMaker(PromptMaker.Form.TOKENS, 256, 1);
  private static final int MANY = 20_000;

  @TempDir private Path folder;

  @Test
  void independentArrivalsComeAtTheirRate() {
    double[] due = new Arrivals.Poisson(50).due(MANY, new Random(1));
    double[] gaps = new double[MANY - 1];
    Arrays.setAll(gaps, i -> due[i + 1] - due[i]);

    assertThat(due).isSorted().startsWith(0.0);
    assertThat(Values.of(gaps).mean()).isCloseTo(0.02, within(0.001));
    // Memoryless: the median gap is ln 2 of the mean one.
    assertThat(Values.of(gaps).median()).isCloseTo(0.02 * Math.log(2), within(0.001));
  }

  @Test
  void burstsComeAllAtOnce() {
    assertThat(Arrivals.parse("burst:3,2").due(7, new Random(1)))
        .containsExactly(0, 0, 0, 2, 2, 2, 4);
  }

  @Test
  void logNormalLengthsHaveTheirMedianAndTail() {
    Lengths lengths = Lengths.parse("lognormal:500,1");
    Random random = new Random(1);
    Values drawn =
        Values.of(random.ints(MANY).mapToDouble(ignored -> lengths.draw(random)).toArray());

    assertThat(drawn.median()).isCloseTo(500, within(25.0));
    assertThat(drawn.quantile(0.9)).isCloseTo(500 * Math.exp(1.2816), within(120.0));
  }

  @Test
  void uniformLengthsReachBothEnds() {
    Lengths lengths = Lengths.parse("3-5");
    Random random = new Random(1);

    assertThat(random.ints(200).map(ignored -> lengths.draw(random)).distinct().sorted())
        .containsExactly(3, 4, 5);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "0", "-4", "9-3", "lognormal:5", "lognormal:0,1", "many", "1e3"})
  void whatIsNoLengthIsRefused(String form) {
    assertThatThrownBy(() -> Lengths.parse(form)).isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "poisson", "poisson:0", "poisson:x", "burst:0", "closed:0", "open:4"})
  void whatIsNoArrivalIsRefused(String form) {
    assertThatThrownBy(() -> Arrivals.parse(form)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void lengthsAreReadFromRecordedWorkloads() throws IOException {
    Path file = folder.resolve("lengths.jsonl");
    Files.writeString(
        file,
        """
        {"prompt_tokens": 512, "completion_tokens": 64, "more": true}

        {"timestamp": 17, "input_length": 9, "output_length": 1}
        """);

    assertThat(LengthPairs.Seen.read(file).pairs())
        .containsExactly(new LengthPairs.Pair(512, 64), new LengthPairs.Pair(9, 1));
  }

  @Test
  void aLineWithoutLengthsIsRefused() throws IOException {
    Path file = Files.writeString(folder.resolve("lengths.jsonl"), "{\"prompt\": \"words\"}");

    assertThatThrownBy(() -> LengthPairs.Seen.read(file)).hasMessageContaining("prompt_tokens");
  }

  private static Workload draw(long seed) {
    LengthPairs pairs =
        new LengthPairs.Independent(Lengths.parse("10-90"), Lengths.parse("lognormal:8,1"));
    return Workload.draw(
        new Workload.Shape(5, 3, 2, pairs, Lengths.parse("7")),
        new Arrivals.Poisson(3),
        Arrivals.NO_LIMIT,
        TOKENS,
        new Random(seed));
  }

  @Test
  void theSameSeedAsksTheSame() {
    assertThat(draw(7)).usingRecursiveComparison().isEqualTo(draw(7));
    assertThat(draw(7)).usingRecursiveComparison().isNotEqualTo(draw(8));
  }

  @Test
  void aGroupSharesItsFirstPromptAndItsTime() {
    List<Dialogue> dialogues = draw(7).dialogues();

    assertThat(dialogues).hasSize(15);
    for (Dialogue dialogue : dialogues) {
      Dialogue first = dialogues.get(dialogue.group() * 3);
      assertThat(dialogue.dueSeconds()).isEqualTo(first.dueSeconds());
      assertThat(dialogue.turns().getFirst()).isEqualTo(first.turns().getFirst());
      assertThat(dialogue.turns()).hasSize(2);
    }
  }

  @Test
  void theNextTurnSaysAllThatWasSaidBefore() {
    Prompt.Answer answer = new Prompt.Answer(" and", new int[] {3});

    assertThat(
            ((Prompt.Tokens)
                    new Prompt.Tokens(new int[] {1, 2})
                        .followedBy(answer, new Prompt.Tokens(new int[] {4})))
                .ids())
        .containsExactly(1, 2, 3, 4);
    assertThat(new Prompt.Text("so").followedBy(answer, new Prompt.Text(" on")))
        .isEqualTo(new Prompt.Text("so and on"));
    assertThat(
            ((Prompt.Chat) Prompt.Chat.of("so").followedBy(answer, Prompt.Chat.of("on")))
                .messages())
        .extracting(Prompt.Chat.Message::role)
        .containsExactly("user", "assistant", "user");
  }

  @Test
  void wordsAreAsManyAsTheTokenizerAsksFor() {
    PromptMaker twoEach = new PromptMaker(PromptMaker.Form.TEXT, 256, 2);
    Prompt.Text text = (Prompt.Text) twoEach.make(100, new Random(1));

    assertThat(text.text().strip().split(" ")).hasSize(50);
  }
}
