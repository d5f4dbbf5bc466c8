package dev.weir.trainer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Copying, reversing and spelling words. */
final class Words {
  /** The share of made-up words, which can be copied only letter by letter. */
  private static final double INVENTED = 0.15;

  private Words() {}

  static Exchange draw(Dice dice) {
    return switch (dice.between(0, 9)) {
      case 0, 1, 2, 3 -> copy(dice);
      case 4, 5, 6 -> reverse(dice);
      case 7 -> spell(dice);
      case 8 -> spellBackwards(dice);
      default -> firstOrLast(dice);
    };
  }

  private static Exchange copy(Dice dice) {
    String words = String.join(" ", words(dice));
    String ask = dice.pick(List.of("Repeat: ", "Repeat after me: ", "Say: ", "Copy this: "));
    return new Exchange(ask + words, words);
  }

  private static Exchange reverse(Dice dice) {
    List<String> words = words(dice);
    List<String> reversed = new ArrayList<>(words);
    Collections.reverse(reversed);
    String ask =
        dice.pick(
            List.of("Reverse these words: ", "Say these words backwards: ", "Reverse the words: "));
    return new Exchange(ask + String.join(" ", words), String.join(" ", reversed));
  }

  private static Exchange spell(Dice dice) {
    String word = dice.pick(Lexicon.WORDS);
    String ask =
        dice.pick(
            List.of("Spell %s.", "How do you spell %s?", "Spell the word %s.", "Please spell %s."));
    return new Exchange(ask.formatted(word), letters(word) + ".");
  }

  private static Exchange spellBackwards(Dice dice) {
    String word = dice.pick(Lexicon.WORDS);
    String ask = dice.pick(List.of("Spell %s backwards.", "Reverse the letters of %s."));
    return new Exchange(
        ask.formatted(word), letters(new StringBuilder(word).reverse().toString()) + ".");
  }

  private static Exchange firstOrLast(Dice dice) {
    List<String> words = words(dice);
    boolean first = dice.chance(0.5);
    return new Exchange(
        "What is the %s word here: %s".formatted(first ? "first" : "last", String.join(" ", words)),
        "The %s word is %s."
            .formatted(first ? "first" : "last", first ? words.getFirst() : words.getLast()));
  }

  private static List<String> words(Dice dice) {
    int count = dice.between(2, 6);
    List<String> words = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      words.add(dice.chance(INVENTED) ? invented(dice) : dice.pick(Lexicon.WORDS));
    }
    return words;
  }

  private static String invented(Dice dice) {
    int length = dice.between(2, 6);
    StringBuilder word = new StringBuilder();
    for (int i = 0; i < length; i++) {
      word.append((char) dice.between('a', 'z'));
    }
    return word.toString();
  }

  private static String letters(String word) {
    return String.join("-", word.split(""));
  }
}
