package dev.weir.trainer;

/**
 * An addition or subtraction of two numbers, each of at most two digits, with a result of at least
 * 0.
 */
record Sum(int left, Operator operator, int right) {
  /** The greatest operand. */
  static final int GREATEST = 99;

  /** One sum in so many is never trained on, so that it can be asked in a test. */
  private static final int HELD_OUT_OF = 10;

  Sum {
    if (left < 0 || left > GREATEST || right < 0 || right > GREATEST) {
      throw new IllegalArgumentException("operands are 0 to 99: " + left + ", " + right);
    }
    if (operator == Operator.MINUS && left < right) {
      throw new IllegalArgumentException("a negative result: " + left + " - " + right);
    }
  }

  /** Plus or minus. */
  enum Operator {
    PLUS("+", "plus"),
    MINUS("-", "minus");

    private final String sign;
    private final String word;

    Operator(String sign, String word) {
      this.sign = sign;
      this.word = word;
    }

    String sign() {
      return sign;
    }

    String word() {
      return word;
    }
  }

  /** Draws a sum, one-digit ones more often than chance would, as people ask for them more. */
  static Sum draw(Dice dice) {
    int greatest = dice.chance(0.15) ? 9 : GREATEST;
    int left = dice.between(0, greatest);
    int right = dice.between(0, greatest);
    if (dice.chance(0.6)) {
      return new Sum(left, Operator.PLUS, right);
    }
    return new Sum(Math.max(left, right), Operator.MINUS, Math.min(left, right));
  }

  /** Draws a sum that is held out, or one that is not. */
  static Sum draw(Dice dice, boolean heldOut) {
    Sum sum = draw(dice);
    while (sum.heldOut() != heldOut) {
      sum = draw(dice);
    }
    return sum;
  }

  int result() {
    return operator == Operator.PLUS ? left + right : left - right;
  }

  /**
   * Whether the sum is kept out of the training text. It depends on the unordered pair: were 30 +
   * 12 trained on, 12 + 30 would be no test.
   */
  boolean heldOut() {
    int low = Math.min(left, right);
    int high = Math.max(left, right);
    int key = (low * (GREATEST + 1) + high) * 2 + (operator == Operator.PLUS ? 0 : 1);
    // Knuth's multiplicative hash spreads neighbouring pairs over the remainders.
    return Integer.remainderUnsigned((key * 0x9E3779B1) >>> 8, HELD_OUT_OF) == 0;
  }

  /** Returns the sum as it is written, without its result: {@code 12 + 30}. */
  String problem() {
    return left + " " + operator.sign() + " " + right;
  }

  /** Returns the sum and its result: {@code 12 + 30 = 42}. */
  String solution() {
    return problem() + " = " + result();
  }
}
