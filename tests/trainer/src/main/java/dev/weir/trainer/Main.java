package dev.weir.trainer;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes the demo model: text, vocabulary, training, evaluation, export. */
public final class Main {
  private static final long VOCABULARY_SEED = 1;
  private static final long WEIGHT_SEED = 2;
  private static final long CORPUS_SEED = 3;
  private static final long LATER_CORPUS_SEED = 5;

  /** Given where there is no model to go on from. */
  private static final String NO_DIRECTORY = "none";

  private static final int VOCABULARY_SIZE = 1024;
  private static final int VOCABULARY_DOCUMENTS = 20_000;
  private static final double PEAK_RATE = 2e-3;
  private static final int WARM_UP_STEPS = 200;

  /** Where the first part's rate has come to at its half; more undoes what was learned. */
  private static final double LATER_PEAK_RATE = 1e-3;

  /** The optimizer's moments begin anew and need some steps to settle. */
  private static final int LATER_WARM_UP_STEPS = 50;

  private static final double LAST_RATE = 2e-5;
  private static final int EXPORT_EVERY = 450;
  private static final int QUICK_SUMS = 100;
  private static final int FINAL_SUMS = 500;
  private static final int LATE_SUMS = 20;
  private static final int LATE_POSITION = 850;
  private static final int SHOWN_TOKENS = 200;

  private static final List<String> SHOWN =
      List.of(
          "What is 12 + 30?",
          "81 - 37",
          "Hello!",
          "Who are you?",
          "What is the capital of France?",
          "Repeat: red moon qxv",
          "Reverse these words: sun dog tree",
          "Tell me a story about a fox.");

  private static final System.Logger LOG = System.getLogger(Main.class.getName());

  private Main() {}

  /**
   * Trains and writes the model.
   *
   * @param args the directory to write to; the number of steps that the learning rate is laid out
   *     for; after how many of them to stop; and, to go on from an exported model, its directory
   */
  public static void main(String[] args) throws IOException {
    if (args.length < 3 || args.length > 4) {
      throw new IllegalArgumentException("usage: DIRECTORY STEPS STOP [FROM]");
    }
    Path directory = Path.of(args[0]);
    int steps = Integer.parseInt(args[1]);
    int stop = Integer.parseInt(args[2]);
    boolean goesOn = args.length == 4 && !args[3].equals(NO_DIRECTORY);
    Vocabulary vocabulary = vocabulary();
    ModelShape shape = shape(vocabulary);
    LOG.log(
        System.Logger.Level.INFO,
        "%d tokens in the vocabulary, %d parameters"
            .formatted(vocabulary.size(), shape.parameters()));
    try (NDManager manager = NDManager.newBaseManager()) {
      LlamaModel model =
          goesOn
              ? LlamaModel.of(shape, manager, ModelDirectory.weights(Path.of(args[3])))
              : LlamaModel.initial(shape, manager, WEIGHT_SEED);
      Evaluation evaluation = new Evaluation(vocabulary, manager);
      Corpus corpus =
          goesOn
              ? new Corpus(LATER_CORPUS_SEED, Corpus.Mix.EVERYTHING)
              : new Corpus(CORPUS_SEED, Corpus.Mix.SUMS_FIRST);
      LearningRate rate =
          goesOn
              ? new LearningRate(LATER_PEAK_RATE, LAST_RATE, LATER_WARM_UP_STEPS, steps)
              : new LearningRate(PEAK_RATE, LAST_RATE, WARM_UP_STEPS, steps);
      new Training(model, manager, vocabulary, corpus, rate)
          .run(
              stop,
              done -> {
                if (done % EXPORT_EVERY == 0 || done == stop) {
                  export(directory, model, vocabulary, evaluation, manager, done == stop);
                }
              });
    }
  }

  /** Returns the demo model's sizes. */
  static ModelShape shape(Vocabulary vocabulary) {
    return new ModelShape(vocabulary.size(), 192, 4, 6, 2, 32, 448, 1024);
  }

  /** Returns the demo model's vocabulary, the same on every call. */
  static Vocabulary vocabulary() {
    Corpus corpus = new Corpus(VOCABULARY_SEED, Corpus.Mix.SUMS_FIRST);
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < VOCABULARY_DOCUMENTS; i++) {
      texts.add(corpus.next().text());
    }
    return BytePairTrainer.train(texts, VOCABULARY_SIZE);
  }

  /** Writes the model as it is now, and judges it as it was written: after rounding. */
  private static void export(
      Path directory,
      LlamaModel model,
      Vocabulary vocabulary,
      Evaluation evaluation,
      NDManager manager,
      boolean last) {
    Map<String, float[]> rounded = new LinkedHashMap<>();
    model.values().forEach((name, values) -> rounded.put(name, Bfloat16.round(values)));
    try (NDManager own = manager.newSubManager()) {
      ModelDirectory.write(directory, model.shape(), vocabulary, rounded);
      LlamaModel exported = LlamaModel.of(model.shape(), own, rounded);
      Map<String, Object> report = new LinkedHashMap<>();
      report.put("parameters", model.shape().parameters());
      report.put("held-out loss", evaluation.loss(exported));
      report.put(
          "held-out sums right",
          evaluation.sumAccuracy(exported, last ? FINAL_SUMS : QUICK_SUMS, 0));
      if (last) {
        report.put(
            "held-out sums right after %d tokens of talk".formatted(LATE_POSITION),
            evaluation.sumAccuracy(exported, LATE_SUMS, LATE_POSITION));
      }
      for (String question : SHOWN) {
        report.put(question, evaluation.answer(exported, question, SHOWN_TOKENS));
      }
      report.forEach((what, value) -> LOG.log(System.Logger.Level.INFO, what + ": " + value));
      ModelDirectory.json(directory.resolveSibling("report.json"), report);
      ModelDirectory.json(
          directory.resolveSibling("reference.json"),
          Reference.of(exported, vocabulary, own, directory.resolve("model.safetensors")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
