package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.request.TokenEvent.Alternative;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What each field of a request's sampling does to its tokens, its text and its end. */
class SamplingTest {
  private static final int[] PROMPT = new Random(9).ints(20, 0, TinyModel.VOCABULARY).toArray();

  /** Larger than any difference between two logits of the model: decides alone. */
  private static final float FORCE = Sampling.MAX_BIAS;

  @TempDir static Path folder;
  private static Engine engine;

  @BeforeAll
  static void open() {
    Path model = TinyModel.write(folder, DType.F32, 1);
    engine = Engine.open(EngineOptions.of(model).withKvBytes(16 << 20).withThreads(1));
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  private static Completion.Choice run(Sampling.Builder sampling) throws InterruptedException {
    return run(PROMPT, sampling);
  }

  private static Completion.Choice run(int[] prompt, Sampling.Builder sampling)
      throws InterruptedException {
    Request request = Request.of(Prompt.of(prompt), sampling.build());
    return engine.submit(request).await().choices().getFirst();
  }

  private static Sampling.Builder greedy(int tokens) {
    return Sampling.builder().temperature(0).maxTokens(tokens).ignoreEos(true);
  }

  private static Sampling.Builder drawn(long seed, int tokens) {
    return Sampling.builder().seed(seed).maxTokens(tokens).ignoreEos(true);
  }

  /** Only these bytes can be drawn, each with the odds that it has among them. */
  private static Map<Integer, Float> only(String letters) {
    Map<Integer, Float> bias = new HashMap<>();
    letters.chars().forEach(letter -> bias.put(letter, FORCE));
    return bias;
  }

  @Test
  void theSameSeedDrawsTheSameTokensAndAnotherSeedOthers() throws InterruptedException {
    Completion.Choice first = run(drawn(1, 40));
    assertThat(run(drawn(1, 40))).isEqualTo(first);
    assertThat(run(drawn(2, 40)).tokenIds()).isNotEqualTo(first.tokenIds());
  }

  @Test
  void withoutASeedEveryRequestDrawsAfresh() throws InterruptedException {
    Sampling.Builder unseeded = Sampling.builder().maxTokens(40).ignoreEos(true);
    assertThat(run(unseeded).tokenIds()).isNotEqualTo(run(unseeded).tokenIds());
  }

  @Test
  void theEndOfSequenceTokenEndsTheRequestAndHasNoText() throws InterruptedException {
    Completion.Choice choice =
        run(Sampling.builder().logitBias(Map.of(TinyModel.END, FORCE)).maxTokens(9));
    assertThat(choice.tokenIds()).containsExactly(TinyModel.END);
    assertThat(choice.reason()).isEqualTo(FinishReason.STOP);
    assertThat(choice.stop()).isNull();
    assertThat(choice.text()).isEmpty();
  }

  @Test
  void ignoringTheEndOfSequenceTokenGoesOnToTheLastToken() throws InterruptedException {
    Completion.Choice choice = run(greedy(9).logitBias(Map.of(TinyModel.END, FORCE)));
    assertThat(choice.tokenIds()).hasSize(9).containsOnly(TinyModel.END);
    assertThat(choice.reason()).isEqualTo(FinishReason.LENGTH);
  }

  @Test
  void noStopTokenIsDrawnBeforeTheLeastNumberOfTokens() throws InterruptedException {
    Map<Integer, Float> bias = Map.of(TinyModel.END, FORCE, (int) 'x', FORCE);
    Completion.Choice choice =
        run(
            Sampling.builder()
                .logitBias(bias)
                .stopTokenIds(List.of((int) 'x'))
                .minTokens(5)
                .maxTokens(20));
    assertThat(Arrays.copyOf(choice.tokenIds(), 5)).doesNotContain(TinyModel.END, 'x');
    assertThat(choice.tokenIds()).hasSize(6);
    assertThat(choice.tokenIds()[5]).isIn(TinyModel.END, (int) 'x');
    assertThat(choice.reason()).isEqualTo(FinishReason.STOP);
  }

  @Test
  void aStopTokenEndsTheRequestAlsoWhereTheEndOfSequenceTokenDoesNot() throws InterruptedException {
    int[] whole = run(greedy(40)).tokenIds();
    int stop = whole[25];
    int first = indexOf(whole, stop);
    Completion.Choice choice = run(greedy(40).stopTokenIds(List.of(stop)));
    assertThat(choice.tokenIds()).isEqualTo(Arrays.copyOf(whole, first + 1));
    assertThat(choice.reason()).isEqualTo(FinishReason.STOP);
  }

  private static int indexOf(int[] ids, int id) {
    int index = 0;
    while (ids[index] != id) {
      index++;
    }
    return index;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void aStopStringCutsTheTextAndIsNamed(int length) throws InterruptedException {
    String whole = run(drawn(3, 60).logitBias(only("abcd"))).text();
    assertThat(whole).hasSize(60).matches("[abcd]*");
    String stop = whole.substring(30, 30 + length);
    Completion.Choice choice =
        run(drawn(3, 60).logitBias(only("abcd")).stopStrings(List.of("never", stop)));
    assertThat(choice.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    assertThat(choice.reason()).isEqualTo(FinishReason.STOP);
    assertThat(choice.stop()).isEqualTo(stop);
    assertThat(choice.tokenIds()).hasSize(whole.indexOf(stop) + length);
  }

  @Test
  void textHeldBackForAStopStringThatNeverCameIsThereAtTheEnd() throws InterruptedException {
    String whole = run(drawn(3, 30).logitBias(only("abcd"))).text();
    String open = whole.substring(25) + "z";
    Completion.Choice choice = run(drawn(3, 30).logitBias(only("abcd")).stopStrings(List.of(open)));
    assertThat(choice.text()).isEqualTo(whole);
    assertThat(choice.reason()).isEqualTo(FinishReason.LENGTH);
    assertThat(choice.stop()).isNull();
  }

  @Test
  void aBiasForcesATokenAndBansAnother() throws InterruptedException {
    assertThat(run(drawn(1, 10).logitBias(Map.of((int) 'q', FORCE))).tokenIds()).containsOnly('q');
    Completion.Choice free = run(greedy(1).logprobs(2));
    List<Alternative> best = free.tokens().getFirst().alternatives();
    Completion.Choice banned = run(greedy(1).logitBias(Map.of(best.get(0).id(), -FORCE)));
    assertThat(free.tokenIds()).containsExactly(best.get(0).id());
    assertThat(banned.tokenIds()).containsExactly(best.get(1).id());
  }

  @Test
  void keepingOneCandidateIsGreedy() throws InterruptedException {
    int[] greedy = run(greedy(50)).tokenIds();
    assertThat(run(drawn(5, 50).topK(1)).tokenIds()).isEqualTo(greedy);
    assertThat(run(drawn(5, 50).topP(1e-6f)).tokenIds()).isEqualTo(greedy);
    assertThat(run(drawn(5, 50).minP(1)).tokenIds()).isEqualTo(greedy);
  }

  @Test
  void onlyTheLikeliestTokensAreDrawn() throws InterruptedException {
    for (TokenEvent.Token token : run(drawn(8, 200).temperature(3).topK(4).logprobs(4)).tokens()) {
      assertThat(token.alternatives().stream().map(Alternative::id)).contains(token.id());
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 1, 2})
  void presenceAndFrequencyPenaltiesLowerWhatOccurredInTheOutput(float frequency)
      throws InterruptedException {
    float presence = 1.5f;
    List<TokenEvent.Token> tokens =
        run(greedy(150)
                .presencePenalty(presence)
                .frequencyPenalty(frequency)
                .logprobs(Sampling.MAX_LOGPROBS))
            .tokens();
    Map<Integer, Integer> counts = new HashMap<>();
    int decided = 0;
    for (TokenEvent.Token token : tokens) {
      Alternative best = null;
      double bestValue = Double.NEGATIVE_INFINITY;
      for (Alternative one : token.alternatives()) {
        int count = counts.getOrDefault(one.id(), 0);
        double value = one.logprob() - (count > 0 ? presence : 0) - (double) frequency * count;
        if (value > bestValue) {
          best = one;
          bestValue = value;
        }
      }
      // A token that is not listed has at most the last one's logprob, before penalties.
      if (best != null && bestValue > token.alternatives().getLast().logprob()) {
        assertThat(token.id()).as("token %d", decided).isEqualTo(best.id());
        decided++;
      }
      counts.merge(token.id(), 1, Integer::sum);
    }
    assertThat(decided).isGreaterThan(tokens.size() / 2);
    assertThat(tokens.stream().mapToInt(TokenEvent.Token::id).toArray())
        .isNotEqualTo(run(greedy(150)).tokenIds());
  }

  /** It maps logits monotonically, so it changes no order among seen tokens, nor among others. */
  @Test
  void aRepetitionPenaltyChoosesTheBestSeenOrTheBestUnseenToken() throws InterruptedException {
    List<TokenEvent.Token> tokens =
        run(greedy(150).repetitionPenalty(1.5f).logprobs(Sampling.MAX_LOGPROBS)).tokens();
    boolean[] seen = new boolean[TinyModel.VOCABULARY];
    for (int id : PROMPT) {
      seen[id] = true;
    }
    int unseen = 0;
    for (TokenEvent.Token token : tokens) {
      boolean repeated = seen[token.id()];
      assertThat(
              token.alternatives().stream().filter(one -> seen[one.id()] == repeated).findFirst())
          .as("the best that was %s", repeated ? "seen" : "not seen")
          .hasValueSatisfying(best -> assertThat(best.id()).isEqualTo(token.id()));
      unseen += repeated ? 0 : 1;
      seen[token.id()] = true;
    }
    int[] free = run(greedy(150)).tokenIds();
    long different = Arrays.stream(free).distinct().count();
    assertThat(tokens.stream().map(TokenEvent.Token::id).distinct().count())
        .isGreaterThan(different);
    assertThat(unseen).isPositive();
  }

  @Test
  void logprobsAreRawDescendingAndTheChosenTokensOwn() throws InterruptedException {
    List<TokenEvent.Token> tokens = run(drawn(4, 60).temperature(2).logprobs(12)).tokens();
    int listed = 0;
    for (TokenEvent.Token token : tokens) {
      List<Alternative> alternatives = token.alternatives();
      assertThat(alternatives).hasSize(12);
      double sum = 0;
      for (int i = 0; i < alternatives.size(); i++) {
        Alternative one = alternatives.get(i);
        sum += Math.exp(one.logprob());
        assertThat(one.logprob())
            .isLessThanOrEqualTo(i == 0 ? 0 : alternatives.get(i - 1).logprob());
        if (one.id() == token.id()) {
          assertThat(token.logprob()).isEqualTo(one.logprob());
          listed++;
        }
      }
      assertThat(sum).isBetween(0.0, 1.0 + 1e-5);
      assertThat(token.logprob()).isLessThanOrEqualTo(alternatives.getFirst().logprob());
    }
    assertThat(listed).isBetween(1, tokens.size() - 1);

    List<Alternative> raw = run(greedy(1).logprobs(12)).tokens().getFirst().alternatives();
    Sampling.Builder bent =
        drawn(1, 1).temperature(5).repetitionPenalty(2).logitBias(only("ab")).logprobs(12);
    assertThat(run(bent).tokens().getFirst().alternatives()).isEqualTo(raw);
    assertThat(tokens.getFirst().alternatives()).isEqualTo(raw);
  }

  @Test
  void withoutLogprobsThereAreNone() throws InterruptedException {
    TokenEvent.Token none = run(greedy(1)).tokens().getFirst();
    assertThat(none.logprob()).isNaN();
    assertThat(none.alternatives()).isEmpty();
    TokenEvent.Token chosen = run(greedy(1).logprobs(0)).tokens().getFirst();
    assertThat(chosen.logprob()).isNegative();
    assertThat(chosen.alternatives()).isEmpty();
  }

  @Test
  void cancellingEndsEveryChoiceWithWhatItHad() throws InterruptedException {
    Sampling sampling = drawn(6, 1900).build();
    Generation generation = engine.submit(new Request(Prompt.of(PROMPT), sampling, 5, true));
    generation.next();
    generation.cancel();
    Completion partial = generation.await();
    assertThat(partial.choices())
        .hasSize(5)
        .allSatisfy(
            choice -> {
              assertThat(choice.reason()).isEqualTo(FinishReason.CANCELLED);
              assertThat(choice.tokens()).hasSizeLessThan(1900);
            });
    assertThat(engine.stats().heldBlocks()).isZero();
    assertThat(engine.stats().running()).isZero();
    assertThat(engine.stats().waiting()).isZero();
  }

  @Test
  void textAndItsTokensAreTheSamePrompt() throws InterruptedException {
    String text = "one weir, <|user|> two";
    int[] ids = engine.tokenizer().encode(text, true);
    Generation fromText = engine.submit(Request.of(Prompt.of(text), greedy(30).build()));
    assertThat(fromText.promptTokens()).isEqualTo(ids).contains(TinyModel.USER);
    assertThat(fromText.await().choices().getFirst()).isEqualTo(run(ids, greedy(30)));
  }

  @Test
  void anEmptyPromptIsRefused() {
    for (Prompt empty : List.of(Prompt.of(), Prompt.of(""), new Prompt.Text("", false))) {
      assertThatThrownBy(() -> engine.submit(Request.of(empty, Sampling.greedy(1))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("prompt is empty");
    }
  }

  @Test
  void tokensOutsideTheVocabularyAreRefusedWhereverTheyStand() {
    int outside = TinyModel.VOCABULARY;
    for (Sampling.Builder sampling :
        List.of(
            greedy(1).stopTokenIds(List.of(outside)),
            greedy(1).stopTokenIds(List.of(-1)),
            greedy(1).logitBias(Map.of(outside, 1f)))) {
      assertThatThrownBy(() -> run(sampling))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("outside the vocabulary of " + TinyModel.VOCABULARY);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 10})
  void aPromptMayFillTheContextUpToTheLastPositions(int left) throws InterruptedException {
    int[] prompt =
        new Random(left).ints(TinyModel.CONTEXT - left, 0, TinyModel.VOCABULARY).toArray();
    Completion.Choice choice = run(prompt, greedy(Integer.MAX_VALUE));
    assertThat(choice.tokenIds()).hasSize(left);
    assertThat(choice.reason()).isEqualTo(FinishReason.LENGTH);
    assertThat(run(prompt, greedy(left)).tokenIds()).isEqualTo(choice.tokenIds());
  }
}
