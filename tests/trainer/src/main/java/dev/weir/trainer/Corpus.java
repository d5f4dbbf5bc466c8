package dev.weir.trainer;

import java.util.ArrayList;
import java.util.List;

/** The training text: an endless, seeded stream of documents. */
final class Corpus {
  /** The number of questions in the longest conversations; they fill a whole context. */
  private static final int LONGEST_CONVERSATION = 40;

  /**
   * How often each kind of text comes, in hundredths.
   *
   * @param plainStories stories among all documents
   * @param drills lists of sums among all documents; conversations are the rest
   * @param sums questions about numbers among all questions
   * @param words questions about words
   * @param facts questions with one fixed answer
   * @param talk greetings and the like; requests for stories are the rest
   */
  record Mix(int plainStories, int drills, int sums, int words, int facts, int talk) {
    /** Carrying is the hardest to learn, so training begins with many sums. */
    static final Mix SUMS_FIRST = new Mix(5, 40, 51, 19, 16, 7);

    /** Then everything gets its share. */
    static final Mix EVERYTHING = new Mix(4, 18, 26, 32, 24, 5);
  }

  private final Dice dice;
  private final Mix mix;

  Corpus(long seed, Mix mix) {
    dice = new Dice(seed);
    this.mix = mix;
  }

  /** Returns the next document of ordinary length. */
  Document next() {
    int kind = dice.between(0, 99);
    if (kind < mix.plainStories()) {
      return new Document(List.of(Document.Turn.plain(Stories.tell(dice))));
    }
    if (kind < mix.plainStories() + mix.drills()) {
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
    if (kind < mix.sums()) {
      return Arithmetic.draw(dice);
    }
    kind -= mix.sums();
    if (kind < mix.words()) {
      return Words.draw(dice);
    }
    kind -= mix.words();
    if (kind < mix.facts()) {
      return Facts.draw(dice);
    }
    kind -= mix.facts();
    return kind < mix.talk() ? Talk.draw(dice) : Stories.draw(dice);
  }
}
