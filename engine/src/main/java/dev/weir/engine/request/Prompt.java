package dev.weir.engine.request;

/** What a request starts from. */
public sealed interface Prompt {

  /**
   * Token ids, taken as they are: nothing is added, and nothing is ever decoded and encoded again.
   *
   * @param ids at least one id, each inside the vocabulary
   */
  record Tokens(int... ids) implements Prompt {}

  /**
   * Text, encoded by the model's tokenizer on the submitting thread.
   *
   * @param text the text; control tokens that are spelled in it are recognised
   * @param addSpecialTokens whether the tokenizer's own beginning-of-text token (if any) is put
   *     before it
   */
  record Text(String text, boolean addSpecialTokens) implements Prompt {}

  /** Token ids. */
  static Prompt of(int... ids) {
    return new Tokens(ids);
  }

  /** Text, with the tokenizer's special tokens. */
  static Prompt of(String text) {
    return new Text(text, true);
  }
}
