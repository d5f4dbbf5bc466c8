package dev.weir.trainer;

import java.util.List;

/**
 * One text of the corpus: a conversation, or plain text.
 *
 * @param turns the parts, in order
 */
record Document(List<Turn> turns) {
  Document {
    turns = List.copyOf(turns);
  }

  /** Who speaks; {@code PLAIN} text stands without any marker. */
  enum Role {
    SYSTEM,
    USER,
    ASSISTANT,
    PLAIN
  }

  /**
   * One part of a document.
   *
   * @param learned whether the model is trained to say it; questions are only read, because their
   *     words are chance and would drown the answers in the loss
   */
  record Turn(Role role, String text, boolean learned) {
    static Turn system(String text) {
      return new Turn(Role.SYSTEM, text, false);
    }

    static Turn user(String text) {
      return new Turn(Role.USER, text, false);
    }

    static Turn assistant(String text) {
      return new Turn(Role.ASSISTANT, text, true);
    }

    static Turn plain(String text) {
      return new Turn(Role.PLAIN, text, true);
    }

    static Turn given(String text) {
      return new Turn(Role.PLAIN, text, false);
    }
  }

  /** Returns all words of the document, one turn a line, for the tokenizer's training. */
  String text() {
    StringBuilder all = new StringBuilder();
    for (Turn turn : turns) {
      all.append(turn.text()).append('\n');
    }
    return all.toString();
  }
}
