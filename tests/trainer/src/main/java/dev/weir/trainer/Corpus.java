package dev.weir.trainer;

import java.util.ArrayList;
import java.util.List;

/** The training text: an endless, seeded stream of documents. */
final class Corpus {
  /** The number of questions in the longest conversations; they fill a whole context. */
  private static final int LONGEST_CONVERSATION = 40;

  private final Dice dice;

  Corpus(long seed) {
    dice = new Dice(seed);
  }

  /** Returns the next document of ordinary length. */
  Document next() {
    int kind = dice.between(0, 99);
    if (kind < 5) {
      return new Document(List.of(Document.Turn.plain(Stories.tell(dice))));
    }
    if (kind < 45) {
      return Arithmetic.drill(dice);
    }
    return conversation(dice.chance(0.55) ? 1 : dice.between(2, 5));
  }

  /** Returns the next document for rows as long as the context: a long talk, or a few stories. */
  Document nextLong() {
    if (dice.chance(0.2)) {
      return next();
    }
    return conversation(dice.between(6, LONGEST_CONVERSATION));
  }

  private Document conversation(int questions) {
    List<Document.Turn> turns = new ArrayList<>();
    if (dice.chance(0.12)) {
      turns.add(Document.Turn.system(Talk.systemPrompt(dice)));
    }
    for (int i = 0; i < questions; i++) {
      Exchange exchange = exchange();
      turns.add(Document.Turn.user(exchange.question()));
      turns.add(Document.Turn.assistant(exchange.answer()));
    }
    return new Document(turns);
  }

  private Exchange exchange() {
    int kind = dice.between(0, 99);
    if (kind < 51) {
      return Arithmetic.draw(dice);
    }
    if (kind < 70) {
      return Words.draw(dice);
    }
    if (kind < 86) {
      return Facts.draw(dice);
    }
    if (kind < 93) {
      return Talk.draw(dice);
    }
    return Stories.draw(dice);
  }
}
