package dev.weir.trainer;

import java.util.ArrayList;
import java.util.List;

/** Short stories: a hero, a small plot that comes to its end, and what was learned from it. */
final class Stories {
  private Stories() {}

  /** Who a story is about: {@code fox}, named {@code Pip}, called {@code she}. */
  private record Hero(
      String name, String kind, String trait, String subject, String object, String possessive) {
    String they() {
      return Lexicon.capital(subject);
    }
  }

  /** Asks for a story, by hero or at large. */
  static Exchange draw(Dice dice) {
    Hero hero = hero(dice);
    String about = Lexicon.article(hero.kind());
    String question =
        switch (dice.between(0, 9)) {
          case 0, 1 -> "Tell me a short story.";
          case 2 ->
              dice.pick(
                  List.of(
                      "Tell me a story.",
                      "Can you tell me a story?",
                      "Write a short story.",
                      "Please tell me a story.",
                      "I want to hear a story."));
          case 3, 4, 5 -> "Tell me a story about " + about + ".";
          case 6 -> "Tell me a short story about " + about + ".";
          case 7 -> "Can you tell me a story about " + about + "?";
          case 8 ->
              "Tell me a story about %s %s.".formatted(Lexicon.article(hero.trait()), hero.kind());
          default ->
              "Write a story about %s named %s."
                  .formatted(Lexicon.article(hero.kind()), hero.name());
        };
    return new Exchange(question, tell(hero, dice));
  }

  /** Returns a story as plain text. */
  static String tell(Dice dice) {
    return tell(hero(dice), dice);
  }

  private static Hero hero(Dice dice) {
    String trait = dice.pick(Lexicon.TRAITS);
    if (dice.chance(0.25)) {
      Lexicon.Person person = dice.pick(Lexicon.PEOPLE);
      return new Hero(
          person.name(),
          person.kind(),
          trait,
          person.subject(),
          person.object(),
          person.possessive());
    }
    boolean she = dice.chance(0.5);
    return new Hero(
        dice.pick(she ? Lexicon.SHE_NAMES : Lexicon.HE_NAMES),
        dice.pick(Lexicon.ANIMALS),
        trait,
        she ? "she" : "he",
        she ? "her" : "him",
        she ? "her" : "his");
  }

  private static String tell(Hero hero, Dice dice) {
    List<String> lines = new ArrayList<>();
    lines.add(
        "Once upon a time, there was %s %s named %s."
            .formatted(Lexicon.article(hero.trait()), hero.kind(), hero.name()));
    lines.add("%s lived %s.".formatted(hero.name(), dice.pick(Lexicon.HOMES)));
    switch (dice.between(0, 4)) {
      case 0 -> lost(hero, dice, lines);
      case 1 -> helped(hero, dice, lines);
      case 2 -> learned(hero, dice, lines);
      case 3 -> shared(hero, dice, lines);
      default -> storm(hero, dice, lines);
    }
    return String.join(" ", lines);
  }

  private static String friend(Hero hero, Dice dice) {
    String friend = dice.pick(Lexicon.ANIMALS);
    while (friend.equals(hero.kind())) {
      friend = dice.pick(Lexicon.ANIMALS);
    }
    return friend;
  }

  private static void lost(Hero hero, Dice dice, List<String> lines) {
    String treasure = dice.pick(Lexicon.TREASURES);
    String friend = friend(hero, dice);
    List<String> spots = distinct(Lexicon.SPOTS, 3, dice);
    lines.add("%s had a %s and loved it very much.".formatted(hero.name(), treasure));
    lines.add("One day, the %s was gone.".formatted(treasure));
    lines.add("%s looked %s, but it was not there.".formatted(hero.name(), spots.get(0)));
    if (dice.chance(0.6)) {
      lines.add("Then %s looked %s, but it was not there.".formatted(hero.subject(), spots.get(1)));
    }
    lines.add("%s sat down and was very sad.".formatted(hero.they()));
    lines.add("%s came by and asked what was wrong.".formatted(a(friend)));
    lines.add("\"I lost my %s,\" said %s.".formatted(treasure, hero.name()));
    lines.add("\"I will help you,\" said the %s.".formatted(friend));
    lines.add("Together they looked %s, and there was the %s!".formatted(spots.get(2), treasure));
    lines.add("%s thanked the %s.".formatted(hero.name(), friend));
    lines.add("From that day on, %s and the %s were good friends.".formatted(hero.name(), friend));
  }

  private static void helped(Hero hero, Dice dice, List<String> lines) {
    String friend = friend(hero, dice);
    lines.add("One morning, %s went for a walk.".formatted(hero.name()));
    lines.add(
        "%s, %s heard a small voice."
            .formatted(Lexicon.capital(dice.pick(Lexicon.SPOTS)), hero.subject()));
    lines.add("\"Help! Help!\" cried the voice.");
    lines.add("It was %s that had hurt its leg.".formatted(Lexicon.article(friend)));
    lines.add(
        dice.pick(
            List.of(
                "%s was afraid, but %s did not run away.".formatted(hero.name(), hero.subject()),
                "%s knew at once what to do.".formatted(hero.name()))));
    lines.add("%s carried the %s home.".formatted(hero.they(), friend));
    lines.add("%s gave the %s warm %s.".formatted(hero.they(), friend, warmFood(dice)));
    lines.add("After %d days, the %s was well again.".formatted(dice.between(2, 9), friend));
    lines.add("\"You saved me,\" said the %s. \"Thank you, %s.\"".formatted(friend, hero.name()));
    lines.add("%s smiled. It feels good to help.".formatted(hero.name()));
  }

  private static void learned(Hero hero, Dice dice, List<String> lines) {
    String skill = dice.pick(Lexicon.SKILLS);
    String friend = friend(hero, dice);
    lines.add("%s wanted to learn to %s.".formatted(hero.name(), skill));
    lines.add("But it was hard, and the others laughed at %s.".formatted(hero.object()));
    lines.add("%s did not give up.".formatted(hero.name()));
    lines.add("Every day, %s went to an old %s.".formatted(hero.subject(), friend));
    lines.add("\"Can you teach me to %s?\" asked %s.".formatted(skill, hero.name()));
    lines.add("\"Yes,\" said the old %s, \"but you must try again and again.\"".formatted(friend));
    if (dice.chance(0.6)) {
      lines.add("The first day was bad. The second day was better. The third day was very good.");
    } else {
      lines.add("%s tried and tried, day after day.".formatted(hero.name()));
    }
    lines.add("At last, %s could %s.".formatted(hero.name(), skill));
    lines.add(
        "The others did not laugh any more. They all wanted to %s like %s."
            .formatted(skill, hero.name()));
  }

  private static void shared(Hero hero, Dice dice, List<String> lines) {
    String food = dice.pick(Lexicon.FOODS);
    String friend = friend(hero, dice);
    lines.add("One day, %s had some %s for lunch.".formatted(hero.name(), food));
    lines.add("%s wanted to eat it all alone.".formatted(hero.they()));
    lines.add("Then %s came to the door.".formatted(Lexicon.article(friend)));
    lines.add("\"I am so hungry,\" said the %s.".formatted(friend));
    lines.add("%s looked at the %s and then at the %s.".formatted(hero.name(), food, friend));
    lines.add("\"Come in,\" said %s. \"There is enough for both of us.\"".formatted(hero.name()));
    lines.add("They ate the %s together and talked until the evening.".formatted(food));
    if (dice.chance(0.5)) {
      lines.add(
          "The next day, the %s came back with a %s for %s."
              .formatted(friend, dice.pick(Lexicon.TREASURES), hero.name()));
    }
    lines.add("%s was glad. Sharing makes everything better.".formatted(hero.name()));
  }

  private static void storm(Hero hero, Dice dice, List<String> lines) {
    String friend = friend(hero, dice);
    lines.add("One evening, a big storm came.");
    lines.add("The wind was loud and the rain was cold.");
    lines.add("%s was safe at home, warm and dry.".formatted(hero.name()));
    lines.add("Then %s heard a knock. It was a wet %s.".formatted(hero.subject(), friend));
    lines.add("\"May I come in?\" asked the %s. \"I have lost my way.\"".formatted(friend));
    lines.add("\"Of course,\" said %s.".formatted(hero.name()));
    lines.add(
        "They sat by the fire, ate %s and told each other stories.".formatted(warmFood(dice)));
    lines.add("In the morning, the sun was back.");
    lines.add("%s showed the %s the way home.".formatted(hero.name(), friend));
    lines.add("They waved goodbye and knew they would meet again.");
  }

  private static String warmFood(Dice dice) {
    return dice.pick(List.of("soup", "bread", "pie", "milk"));
  }

  private static String a(String kind) {
    return Lexicon.capital(Lexicon.article(kind));
  }

  private static List<String> distinct(List<String> from, int count, Dice dice) {
    List<String> chosen = new ArrayList<>();
    while (chosen.size() < count) {
      String next = dice.pick(from);
      if (!chosen.contains(next)) {
        chosen.add(next);
      }
    }
    return chosen;
  }
}
