package dev.weir.engine.text;

/**
 * A token that the tokenizer finds in the text before any other rule applies ({@code added_tokens}
 * in tokenizer.json).
 *
 * @param id its id
 * @param content its text
 * @param special skipped when decoding without special tokens
 * @param singleWord matches only where no word character touches it
 * @param stripLeft swallows the white space before it
 * @param stripRight swallows the white space behind it
 */
record AddedToken(
    int id,
    String content,
    boolean special,
    boolean singleWord,
    boolean stripLeft,
    boolean stripRight) {}
