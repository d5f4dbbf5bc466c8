package dev.weir.trainer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Continues prompts with the likeliest token, again and again. */
final class Greedy {
  private Greedy() {}

  /**
   * A continuation.
   *
   * @param tokens the new tokens; the last one is the end token unless the limit came first
   * @param margin the smallest distance between the likeliest and the second logit on the way: how
   *     far another implementation's rounding may be off before its tokens differ
   */
  @SuppressWarnings("ArrayRecordComponent") // primitive data, never compared
  record Continuation(int[] tokens, float margin) {}

  /** Continues all prompts together, each until an end token or the limit. */
  static List<Continuation> continuations(
      LlamaModel model, NDManager manager, List<int[]> prompts, int limit) {
    List<Row> rows = prompts.stream().map(Row::new).toList();
    for (int i = 0; i < limit; i++) {
      List<Row> open = rows.stream().filter(row -> !row.ended).toList();
      if (open.isEmpty()) {
        break;
      }
      extend(model, manager, open);
    }
    return rows.stream().map(Row::continuation).toList();
  }

  private static void extend(LlamaModel model, NDManager manager, List<Row> rows) {
    int length = rows.stream().mapToInt(row -> row.tokens.length).max().orElseThrow();
    long[] tokens = new long[rows.size() * length];
    long[] last = new long[rows.size()];
    for (int r = 0; r < rows.size(); r++) {
      int[] row = rows.get(r).tokens;
      for (int i = 0; i < row.length; i++) {
        // What stands right of a row's end is never seen from it.
        tokens[r * length + i] = row[i];
      }
      last[r] = (long) r * length + row.length - 1;
    }
    try (NDManager step = manager.newSubManager()) {
      NDArray logits = model.logits(step, tokens, rows.size(), length, last);
      float[] values = logits.toFloatArray();
      int vocabulary = model.shape().vocabulary();
      for (int r = 0; r < rows.size(); r++) {
        rows.get(r).append(Arrays.copyOfRange(values, r * vocabulary, (r + 1) * vocabulary));
      }
    }
  }

  private static final class Row {
    private final int promptLength;
    private int[] tokens;
    private float margin = Float.POSITIVE_INFINITY;
    private boolean ended;

    Row(int[] prompt) {
      promptLength = prompt.length;
      tokens = prompt.clone();
    }

    void append(float[] logits) {
      int best = 0;
      float second = Float.NEGATIVE_INFINITY;
      for (int token = 1; token < logits.length; token++) {
        if (logits[token] > logits[best]) {
          second = logits[best];
          best = token;
        } else {
          second = Math.max(second, logits[token]);
        }
      }
      margin = Math.min(margin, logits[best] - second);
      tokens = Arrays.copyOf(tokens, tokens.length + 1);
      tokens[tokens.length - 1] = best;
      ended = best == Vocabulary.END || best == Vocabulary.END_OF_TEXT;
    }

    Continuation continuation() {
      return new Continuation(Arrays.copyOfRange(tokens, promptLength, tokens.length), margin);
    }
  }

  /** Returns the tokens of a conversation that waits for an answer. */
  static int[] prompt(Vocabulary vocabulary, List<Document.Turn> turns) {
    List<Document.Turn> all = new ArrayList<>(turns);
    all.add(Document.Turn.assistant(""));
    int[] tokens = EncodedDocument.of(new Document(all), vocabulary).tokens();
    // Without the end of the empty answer and the end of the text.
    return Arrays.copyOf(tokens, tokens.length - 2);
  }
}
