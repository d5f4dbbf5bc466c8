package dev.weir.trainer;

import java.util.ArrayList;
import java.util.List;

/** Questions about numbers. */
final class Arithmetic {
  private Arithmetic() {}

  /** Draws a question from the whole family. */
  static Exchange draw(Dice dice) {
    int kind = dice.between(0, 99);
    if (kind < 76) {
      return ask(Sum.draw(dice, false), dice);
    }
    if (kind < 86) {
      return wordProblem(dice);
    }
    if (kind < 93) {
      return bigger(dice);
    }
    return count(dice);
  }

  /** Asks for a sum in one of several ways; the answer always has the one form. */
  static Exchange ask(Sum sum, Dice dice) {
    String spaced = sum.problem();
    String spoken = sum.left() + " " + sum.operator().word() + " " + sum.right();
    String question =
        switch (dice.between(0, 11)) {
          case 0, 1, 2, 3 -> "What is " + spaced + "?";
          case 4 -> spaced;
          case 5 -> spaced + " = ?";
          case 6 -> "How much is " + (dice.chance(0.5) ? spaced : spoken) + "?";
          case 7 -> "What is " + spoken + "?";
          case 8 -> dice.pick(List.of("Calculate ", "Compute ")) + spaced + ".";
          case 9 -> sum.left() + sum.operator().sign() + sum.right();
          case 10 -> "Can you tell me what " + spaced + " is?";
          default ->
              sum.operator() == Sum.Operator.PLUS
                  ? dice.pick(List.of("Add ", "Please add "))
                      + sum.left()
                      + " and "
                      + sum.right()
                      + "."
                  : dice.pick(List.of("Subtract ", "Take "))
                      + sum.right()
                      + " from "
                      + sum.left()
                      + ".";
        };
    return new Exchange(question, sum.solution() + ".");
  }

  /** Returns a list of solved sums, of which only the results are learned. */
  static Document drill(Dice dice) {
    List<Document.Turn> turns = new ArrayList<>();
    int sums = dice.between(3, 12);
    for (int i = 0; i < sums; i++) {
      Sum sum = Sum.draw(dice, false);
      turns.add(Document.Turn.given(sum.problem() + " ="));
      turns.add(Document.Turn.plain(" " + sum.result() + ".\n"));
    }
    return new Document(turns);
  }

  private static Exchange wordProblem(Dice dice) {
    Sum sum = Sum.draw(dice, false);
    Lexicon.Person person = dice.pick(Lexicon.PEOPLE);
    String things = dice.pick(Lexicon.THINGS);
    String change =
        sum.operator() == Sum.Operator.PLUS
            ? dice.pick(List.of("gets", "finds", "buys")) + " " + sum.right() + " more."
            : dice.pick(List.of("gives away", "loses", "sells")) + " " + sum.right() + ".";
    return new Exchange(
        "%s has %d %s. %s %s How many %s does %s have now?"
            .formatted(
                person.name(),
                sum.left(),
                things,
                Lexicon.capital(person.subject()),
                change,
                things,
                person.name()),
        "%s. %s has %d %s now.".formatted(sum.solution(), person.name(), sum.result(), things));
  }

  private static Exchange bigger(Dice dice) {
    int left = dice.between(0, Sum.GREATEST);
    int right = (left + dice.between(1, Sum.GREATEST)) % (Sum.GREATEST + 1);
    boolean bigger = dice.chance(0.6);
    String word = bigger ? dice.pick(List.of("bigger", "larger")) : "smaller";
    int winner = bigger ? Math.max(left, right) : Math.min(left, right);
    int loser = left + right - winner;
    return new Exchange(
        "Which is %s, %d or %d?".formatted(word, left, right),
        "%d is %s than %d.".formatted(winner, word, loser));
  }

  private static Exchange count(Dice dice) {
    int from = dice.between(1, 10);
    int to = from + dice.between(2, 10);
    return switch (dice.between(0, 3)) {
      case 0 -> new Exchange("Count to " + to + ".", list(1, to));
      case 1 -> new Exchange("Count from %d to %d.".formatted(from, to), list(from, to));
      case 2 -> new Exchange("Count down from " + from + ".", list(from, 1));
      default -> {
        int number = dice.between(0, 98);
        yield new Exchange(
            "What number comes after %d?".formatted(number),
            "%d comes after %d.".formatted(number + 1, number));
      }
    };
  }

  private static String list(int from, int to) {
    StringBuilder numbers = new StringBuilder().append(from);
    int step = from <= to ? 1 : -1;
    for (int number = from; number != to; ) {
      number += step;
      numbers.append(", ").append(number);
    }
    return numbers.append('.').toString();
  }
}
