package dev.weir.engine.text.jinja;

/**
 * One token of a template.
 *
 * @param text the characters of a name, number, operator or template data; of a string, what it
 *     means
 * @param at where it begins in the source
 */
record Token(Kind kind, String text, int at) {

  /** What a token is. */
  enum Kind {
    DATA("template data"),
    VARIABLE_BEGIN("begin of print statement"),
    VARIABLE_END("end of print statement"),
    BLOCK_BEGIN("begin of statement block"),
    BLOCK_END("end of statement block"),
    NAME("name"),
    STRING("string"),
    INTEGER("integer"),
    FLOAT("float"),
    OPERATOR("operator"),
    END("end of template");

    final String description;

    Kind(String description) {
      this.description = description;
    }
  }

  boolean isOperator(String operator) {
    return kind == Kind.OPERATOR && text.equals(operator);
  }

  boolean isName(String name) {
    return kind == Kind.NAME && text.equals(name);
  }

  /** The token in a message. */
  String describe() {
    return switch (kind) {
      case NAME, OPERATOR, INTEGER, FLOAT -> "'" + text + "'";
      default -> kind.description;
    };
  }
}
