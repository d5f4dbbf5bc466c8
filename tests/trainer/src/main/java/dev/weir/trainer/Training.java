package dev.weir.trainer;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/** Trains the model on batches of packed documents. */
final class Training {
  /** Tokens of a step; few, because many steps teach sums better than large ones. */
  private static final int SHORT_ROWS = 5;

  private static final int SHORT_LENGTH = 224;

  /** Every so many steps the rows are as long as the context. */
  private static final int LONG_EVERY = 16;

  private static final int LONG_ROWS = 1;

  private static final int REPORT_EVERY = 50;

  private static final System.Logger LOG = System.getLogger(Training.class.getName());

  private final LlamaModel model;
  private final AdamW optimizer;
  private final LearningRate rate;
  private final NDManager manager;
  private final Supplier<EncodedDocument> documents;
  private final Supplier<EncodedDocument> longDocuments;

  Training(
      LlamaModel model,
      NDManager manager,
      Vocabulary vocabulary,
      Corpus corpus,
      LearningRate rate) {
    this.model = model;
    this.manager = manager;
    optimizer = new AdamW(model.weights().values(), manager);
    this.rate = rate;
    documents = () -> EncodedDocument.of(corpus.next(), vocabulary);
    longDocuments = () -> EncodedDocument.of(corpus.nextLong(), vocabulary);
  }

  /**
   * Runs the steps, all of them or the first ones.
   *
   * @param stop after how many steps to stop
   * @param afterStep is told the number of steps done, after each
   */
  void run(int stop, IntConsumer afterStep) {
    if (stop > rate.steps()) {
      throw new IllegalArgumentException("stop " + stop + " lies after " + rate.steps());
    }
    long began = System.nanoTime();
    long tokens = 0;
    double losses = 0;
    for (int step = 0; step < stop; step++) {
      Batch batch = nextBatch(step);
      double loss = step(batch, rate.at(step));
      if (!Double.isFinite(loss)) {
        throw new IllegalStateException("the loss of step " + step + " is " + loss);
      }
      tokens += batch.tokens().length;
      losses += loss;
      if ((step + 1) % REPORT_EVERY == 0) {
        double seconds = (System.nanoTime() - began) / 1e9;
        LOG.log(
            System.Logger.Level.INFO,
            "step %d: loss %.4f, %.0f tokens/s, %.0f s"
                .formatted(step + 1, losses / REPORT_EVERY, tokens / seconds, seconds));
        losses = 0;
      }
      afterStep.accept(step + 1);
    }
  }

  /** Returns the mean loss of a learned token over the batch, without training on it. */
  static double loss(LlamaModel model, NDManager manager, Batch batch) {
    try (NDManager step = manager.newSubManager()) {
      return meanLoss(model, step, batch).getFloat();
    }
  }

  private Batch nextBatch(int step) {
    return step % LONG_EVERY == LONG_EVERY - 1
        ? Batch.pack(longDocuments, LONG_ROWS, model.shape().context())
        : Batch.pack(documents, SHORT_ROWS, SHORT_LENGTH);
  }

  private double step(Batch batch, double learningRate) {
    double loss;
    try (NDManager step = manager.newSubManager();
        GradientCollector collector = Engine.getInstance().newGradientCollector()) {
      NDArray mean = meanLoss(model, step, batch);
      collector.backward(mean);
      loss = mean.getFloat();
    }
    optimizer.update(learningRate);
    return loss;
  }

  private static NDArray meanLoss(LlamaModel model, NDManager step, Batch batch) {
    long[] learned = batch.learned();
    long[] targets = new long[learned.length];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = batch.targets()[Math.toIntExact(learned[i])];
    }
    NDArray logits = model.logits(step, batch.tokens(), batch.rows(), batch.length(), learned);
    return logits.logSoftmax(-1).gather(step.create(targets).expandDims(1), 1).mean().neg();
  }
}
