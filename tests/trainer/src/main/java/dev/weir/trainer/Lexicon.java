package dev.weir.trainer;

import java.util.List;
import java.util.Locale;

/** The words that the grammars choose from. */
final class Lexicon {
  private Lexicon() {}

  /** A name and the pronouns that go with it. */
  record Person(String name, String kind, String subject, String object, String possessive) {}

  static final List<Person> PEOPLE =
      List.of(
          girl("Mia"),
          girl("Anna"),
          girl("Lily"),
          girl("Sara"),
          girl("Nora"),
          girl("Emma"),
          girl("Ruth"),
          girl("Zoe"),
          boy("Tom"),
          boy("Ben"),
          boy("Max"),
          boy("Leo"),
          boy("Sam"),
          boy("Jack"),
          boy("Finn"),
          boy("Oscar"));

  static final List<String> ANIMALS =
      List.of(
          "fox",
          "bear",
          "cat",
          "dog",
          "mouse",
          "rabbit",
          "bird",
          "frog",
          "duck",
          "horse",
          "cow",
          "pig",
          "goat",
          "sheep",
          "wolf",
          "lion",
          "tiger",
          "deer",
          "owl",
          "hen",
          "fish",
          "turtle",
          "snail",
          "bee",
          "squirrel",
          "hedgehog",
          "monkey",
          "elephant",
          "dragon",
          "robot");

  static final List<String> SHE_NAMES =
      List.of("Luna", "Bella", "Daisy", "Coco", "Ruby", "Nell", "Poppy", "Ivy");

  static final List<String> HE_NAMES =
      List.of("Pip", "Milo", "Rusty", "Otto", "Toby", "Hugo", "Wren", "Bruno");

  static final List<String> TRAITS =
      List.of(
          "little", "brave", "kind", "shy", "clever", "lazy", "happy", "curious", "small", "old",
          "young", "quiet");

  static final List<String> HOMES =
      List.of(
          "in a small house by the river",
          "near the big forest",
          "in a quiet village",
          "on a green hill",
          "by the blue sea",
          "on a farm",
          "under an old oak tree",
          "at the edge of a wide lake",
          "in a warm valley");

  static final List<String> TREASURES =
      List.of(
          "ball",
          "hat",
          "kite",
          "book",
          "drum",
          "key",
          "red scarf",
          "toy boat",
          "silver bell",
          "lamp",
          "blue stone",
          "basket",
          "golden ring",
          "map");

  static final List<String> SPOTS =
      List.of(
          "under the bridge",
          "behind the barn",
          "in the tall grass",
          "near the well",
          "under the table",
          "in the garden",
          "behind a big rock",
          "at the top of the hill",
          "by the pond",
          "in the old shed");

  static final List<String> FOODS =
      List.of("bread", "soup", "cake", "berries", "honey", "apples", "cheese", "nuts", "pie");

  static final List<String> THINGS =
      List.of(
          "apples", "books", "coins", "stones", "balls", "pens", "cups", "eggs", "shells", "stamps",
          "cards", "cookies");

  static final List<String> SKILLS =
      List.of("swim", "sing", "dance", "paint", "climb", "read", "skate", "whistle");

  static final List<String> WORDS =
      List.of(
          "red", "dog", "sun", "cat", "moon", "star", "tree", "fish", "bird", "house", "river",
          "stone", "green", "blue", "apple", "bread", "milk", "snow", "rain", "wind", "fire",
          "water", "hill", "road", "door", "chair", "table", "lamp", "book", "pen", "hand", "foot",
          "king", "queen", "ship", "boat", "car", "train", "ball", "drum", "bell", "key", "ring",
          "hat", "shoe", "leaf", "rose", "grass", "sand", "sea", "lake", "frog", "duck", "horse",
          "cow", "pig", "goat", "wolf", "lion", "bear", "fox", "owl", "bee", "ant", "egg", "cup",
          "box", "bag", "map", "toy");

  /** Returns the text with its first letter made a capital. */
  static String capital(String text) {
    return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }

  /** Returns the noun with the article that its sound asks for. */
  static String article(String noun) {
    return ("aeiou".indexOf(noun.charAt(0)) >= 0 ? "an " : "a ") + noun;
  }

  private static Person girl(String name) {
    return new Person(name, "girl", "she", "her", "her");
  }

  private static Person boy(String name) {
    return new Person(name, "boy", "he", "him", "his");
  }
}
