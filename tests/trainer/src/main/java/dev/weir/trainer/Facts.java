package dev.weir.trainer;

import java.util.List;

/** Questions with one fixed answer. */
final class Facts {
  private Facts() {}

  private record Pair(String left, String right) {}

  private static final List<Pair> CAPITALS =
      pairs(
          "France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Austria Vienna,"
              + " Poland Warsaw, Greece Athens, Norway Oslo, Sweden Stockholm, Finland Helsinki,"
              + " Denmark Copenhagen, Ireland Dublin, England London, Japan Tokyo, China Beijing,"
              + " Egypt Cairo, Kenya Nairobi, Canada Ottawa, Peru Lima, Cuba Havana, Russia Moscow,"
              + " Hungary Budapest, Turkey Ankara, Chile Santiago");

  private static final List<Pair> COLOURS =
      pairs(
          "sky blue, grass green, snow white, coal black, sun yellow, blood red, banana yellow,"
              + " leaf green, milk white, night black, sea blue, tomato red, carrot orange,"
              + " chocolate brown, frog green, fire orange");

  private static final List<Pair> OPPOSITES =
      pairs(
          "hot cold, big small, fast slow, up down, left right, day night, happy sad, old new,"
              + " open closed, hard soft, wet dry, full empty, light dark, high low, early late,"
              + " long short, rich poor, loud quiet, good bad, black white, strong weak, near far,"
              + " first last, yes no");

  private static final List<Pair> SOUNDS =
      pairs(
          "dog woof, cat meow, cow moo, sheep baa, duck quack, pig oink, owl hoot, bee buzz,"
              + " lion roar, frog croak, hen cluck, wolf howl, mouse squeak, horse neigh");

  private static final List<Pair> LEGS =
      pairs("dog four, cat four, bird two, bee six, ant six, horse four, cow four, duck two");

  private static final List<String> DAYS =
      List.of("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday");

  private static final List<String> UNKNOWN =
      List.of(
          "Who won the game yesterday?",
          "What is the weather today?",
          "What time is it?",
          "How do I fix my car?",
          "Explain how a computer works.",
          "Who is the president?",
          "Write a program that sorts a list.",
          "What is the meaning of life?",
          "How far is the moon?",
          "What should I cook tonight?",
          "Translate this into French.",
          "How old is the universe?",
          "What is the best phone?",
          "Why is the sky blue?",
          "What is love?",
          "Tell me the news.",
          "What is 12 times 30?",
          "How do planes fly?",
          "Who wrote this book?",
          "What is the speed of light?");

  static Exchange draw(Dice dice) {
    return switch (dice.between(0, 11)) {
      case 0, 1, 2 -> capital(dice);
      case 3, 4 -> colour(dice);
      case 5, 6, 7 -> opposite(dice);
      case 8 -> sound(dice);
      case 9 -> legs(dice);
      case 10 -> day(dice);
      default ->
          new Exchange(
              dice.pick(UNKNOWN), "I am sorry, I do not know that. I am only a small demo model.");
    };
  }

  private static Exchange capital(Dice dice) {
    Pair fact = dice.pick(CAPITALS);
    String answer = "The capital of %s is %s.".formatted(fact.left(), fact.right());
    return switch (dice.between(0, 4)) {
      case 0, 1 -> new Exchange("What is the capital of %s?".formatted(fact.left()), answer);
      case 2 -> new Exchange("Which city is the capital of %s?".formatted(fact.left()), answer);
      case 3 -> new Exchange("Tell me the capital of %s.".formatted(fact.left()), answer);
      default ->
          new Exchange(
              "%s is the capital of which country?".formatted(fact.right()),
              "%s is the capital of %s.".formatted(fact.right(), fact.left()));
    };
  }

  private static Exchange colour(Dice dice) {
    Pair fact = dice.pick(COLOURS);
    String ask =
        dice.pick(
            List.of("What colour is the %s?", "Which colour is the %s?", "What color is the %s?"));
    return new Exchange(
        ask.formatted(fact.left()), "The %s is %s.".formatted(fact.left(), fact.right()));
  }

  private static Exchange opposite(Dice dice) {
    Pair fact = dice.pick(OPPOSITES);
    if (dice.chance(0.5)) {
      fact = new Pair(fact.right(), fact.left());
    }
    String ask =
        dice.pick(
            List.of(
                "What is the opposite of %s?",
                "Tell me the opposite of %s.", "Which word is the opposite of %s?"));
    return new Exchange(
        ask.formatted(fact.left()),
        "The opposite of %s is %s.".formatted(fact.left(), fact.right()));
  }

  private static Exchange sound(Dice dice) {
    Pair fact = dice.pick(SOUNDS);
    String ask = dice.pick(List.of("What does %s say?", "What sound does %s make?"));
    String animal = Lexicon.article(fact.left());
    return new Exchange(
        ask.formatted(animal), "%s says %s.".formatted(Lexicon.capital(animal), fact.right()));
  }

  private static Exchange legs(Dice dice) {
    Pair fact = dice.pick(LEGS);
    String animal = Lexicon.article(fact.left());
    String ask = dice.pick(List.of("How many legs does %s have?", "How many legs has %s?"));
    return new Exchange(
        ask.formatted(animal), "%s has %s legs.".formatted(Lexicon.capital(animal), fact.right()));
  }

  private static Exchange day(Dice dice) {
    int day = dice.between(0, 6);
    boolean after = dice.chance(0.5);
    String other = DAYS.get((day + (after ? 1 : 6)) % 7);
    String word = after ? "after" : "before";
    return new Exchange(
        "Which day comes %s %s?".formatted(word, DAYS.get(day)),
        "%s comes %s %s.".formatted(other, word, DAYS.get(day)));
  }

  private static List<Pair> pairs(String list) {
    return List.of(list.split(", ")).stream()
        .map(entry -> entry.split(" "))
        .map(words -> new Pair(words[0], words[1]))
        .toList();
  }
}
