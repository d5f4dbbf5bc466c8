package dev.weir.trainer;

import java.util.Arrays;

/**
 * A document as tokens.
 *
 * @param tokens the ids {@code [n]}
 * @param learned whether the model is trained to say each {@code [n]}
 */
@SuppressWarnings("ArrayRecordComponent") // primitive data, never compared
record EncodedDocument(int[] tokens, boolean[] learned) {
  /** Encodes the document as the chat template writes it, with the end of text after it. */
  static EncodedDocument of(Document document, Vocabulary vocabulary) {
    Builder builder = new Builder();
    boolean plain = false;
    for (Document.Turn turn : document.turns()) {
      plain = turn.role() == Document.Role.PLAIN;
      switch (turn.role()) {
        case SYSTEM -> builder.add(Vocabulary.SYSTEM, false);
        case USER -> builder.add(Vocabulary.USER, false);
        case ASSISTANT -> builder.add(Vocabulary.ASSISTANT, false);
        case PLAIN -> {
          // Plain text has no markers.
        }
      }
      for (int token : vocabulary.encode(turn.text())) {
        builder.add(token, turn.learned());
      }
      if (!plain) {
        builder.add(Vocabulary.END, turn.learned());
      }
    }
    // After a conversation's last answer a user may go on, so only plain text learns its end.
    builder.add(Vocabulary.END_OF_TEXT, plain);
    return builder.build();
  }

  int length() {
    return tokens.length;
  }

  private static final class Builder {
    private int[] tokens = new int[64];
    private boolean[] learned = new boolean[64];
    private int length;

    void add(int token, boolean isLearned) {
      if (length == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * length);
        learned = Arrays.copyOf(learned, 2 * length);
      }
      tokens[length] = token;
      learned[length++] = isLearned;
    }

    EncodedDocument build() {
      return new EncodedDocument(Arrays.copyOf(tokens, length), Arrays.copyOf(learned, length));
    }
  }
}
