package dev.weir.trainer;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;

/** Measures a model on text and sums that it was not trained on. */
final class Evaluation {
  private static final long TEXT_SEED = 0x7E57_0001L;
  private static final long SUM_SEED = 0x7E57_0002L;
  private static final int BATCHES = 16;
  private static final int ROWS = 8;
  private static final int LENGTH = 256;
  private static final int SUMS_AT_ONCE = 50;
  private static final int LATE_SUMS_AT_ONCE = 4;

  /** Longer than any right answer to a sum. */
  private static final int ANSWER_LIMIT = 24;

  private final Vocabulary vocabulary;
  private final NDManager manager;

  Evaluation(Vocabulary vocabulary, NDManager manager) {
    this.vocabulary = vocabulary;
    this.manager = manager;
  }

  /** Returns the mean loss per learned token on fresh text. */
  double loss(LlamaModel model) {
    Corpus corpus = new Corpus(TEXT_SEED, Corpus.Mix.EVERYTHING);
    double sum = 0;
    for (int i = 0; i < BATCHES; i++) {
      Batch batch = Batch.pack(() -> EncodedDocument.of(corpus.next(), vocabulary), ROWS, LENGTH);
      sum += Training.loss(model, manager, batch);
    }
    return sum / BATCHES;
  }

  /**
   * Returns the share of held-out sums that are answered right to the last character, the end token
   * included.
   *
   * @param before asks each sum after a conversation of at least so many tokens
   */
  double sumAccuracy(LlamaModel model, int sums, int before) {
    Dice dice = new Dice(SUM_SEED);
    int atOnce = before > 0 ? LATE_SUMS_AT_ONCE : SUMS_AT_ONCE;
    int right = 0;
    for (int done = 0; done < sums; done += atOnce) {
      List<int[]> prompts = new ArrayList<>();
      List<String> answers = new ArrayList<>();
      for (int i = done; i < Math.min(sums, done + atOnce); i++) {
        Exchange exchange = Arithmetic.ask(Sum.draw(dice, true), dice);
        List<Document.Turn> turns = before(dice, before);
        turns.add(Document.Turn.user(exchange.question()));
        prompts.add(Greedy.prompt(vocabulary, turns));
        answers.add(exchange.answer());
      }
      List<Greedy.Continuation> continuations =
          Greedy.continuations(model, manager, prompts, ANSWER_LIMIT);
      for (int i = 0; i < answers.size(); i++) {
        int[] tokens = continuations.get(i).tokens();
        boolean ended = tokens[tokens.length - 1] == Vocabulary.END;
        right += ended && vocabulary.decode(tokens).equals(answers.get(i)) ? 1 : 0;
      }
    }
    return (double) right / sums;
  }

  /** Returns the model's answer to a single question. */
  String answer(LlamaModel model, String question, int limit) {
    int[] prompt = Greedy.prompt(vocabulary, List.of(Document.Turn.user(question)));
    return vocabulary.decode(
        Greedy.continuations(model, manager, List.of(prompt), limit).getFirst().tokens());
  }

  private List<Document.Turn> before(Dice dice, int tokens) {
    List<Document.Turn> turns = new ArrayList<>();
    while (tokens > 0 && Greedy.prompt(vocabulary, turns).length < tokens) {
      Exchange exchange = dice.chance(0.3) ? Words.draw(dice) : Facts.draw(dice);
      turns.add(Document.Turn.user(exchange.question()));
      turns.add(Document.Turn.assistant(exchange.answer()));
    }
    return turns;
  }
}
