package dev.weir.trainer;

import java.util.Arrays;
import java.util.function.Supplier;

/**
 * Rows of packed documents, with the token that follows each position.
 *
 * @param tokens the inputs {@code [rows * length]}
 * @param targets the token after each input {@code [rows * length]}
 * @param learned the indexes of the inputs whose target is learned {@code [n]}
 */
@SuppressWarnings("ArrayRecordComponent") // primitive data, never compared
record Batch(int rows, int length, long[] tokens, long[] targets, long[] learned) {
  /**
   * Packs documents into rows. Each row begins with a document, as a prompt does; what does not fit
   * at a row's end is dropped.
   */
  static Batch pack(Supplier<EncodedDocument> documents, int rows, int length) {
    long[] tokens = new long[rows * length];
    long[] targets = new long[rows * length];
    long[] learned = new long[rows * length];
    int count = 0;
    for (int row = 0; row < rows; row++) {
      int position = 0;
      // One more than the length: the last input needs a target.
      while (position <= length) {
        EncodedDocument document = documents.get();
        for (int i = 0; i < document.length() && position <= length; i++, position++) {
          int token = document.tokens()[i];
          if (position < length) {
            tokens[row * length + position] = token;
          }
          if (position > 0) {
            targets[row * length + position - 1] = token;
            if (document.learned()[i]) {
              learned[count++] = (long) row * length + position - 1;
            }
          }
        }
      }
    }
    return new Batch(rows, length, tokens, targets, Arrays.copyOf(learned, count));
  }
}
