package dev.weir.tests.bench.load;

import java.util.Random;

/**
 * Makes prompts of about so many tokens that no server has seen before: random token ids, or random
 * words of two syllables.
 *
 * @param form what requests are made of
 * @param vocabulary token ids are below this
 * @param tokensPerWord measured on the server; what a word's text costs with its tokenizer
 */
record PromptMaker(Form form, int vocabulary, double tokensPerWord) {

  /** The forms of a {@link Prompt}, as the command line names them. */
  enum Form {
    TOKENS,
    TEXT,
    CHAT
  }

  /** Ids below are special tokens in most vocabularies. */
  private static final int FIRST_ORDINARY_TOKEN = 16;

  private static final String CONSONANTS = "bcdfghjklmnprstvwxyz";
  private static final String VOWELS = "aeiou";

  PromptMaker {
    if (vocabulary <= FIRST_ORDINARY_TOKEN) {
      throw new IllegalArgumentException("a vocabulary of " + vocabulary + " tokens is too small");
    }
  }

  /** A prompt of {@code tokens} tokens: exactly in token ids, about in words. */
  Prompt make(int tokens, Random random) {
    return switch (form) {
      case TOKENS ->
          new Prompt.Tokens(random.ints(tokens, FIRST_ORDINARY_TOKEN, vocabulary).toArray());
      case TEXT -> new Prompt.Text(words(tokens, random));
      case CHAT -> Prompt.Chat.of(words(tokens, random));
    };
  }

  PromptMaker withTokensPerWord(double value) {
    return new PromptMaker(form, vocabulary, value);
  }

  private String words(int tokens, Random random) {
    int count = Math.max(1, (int) Math.round(tokens / tokensPerWord));
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      text.append(' ').append(syllable(random)).append(syllable(random));
    }
    return text.toString();
  }

  private static String syllable(Random random) {
    return ""
        + CONSONANTS.charAt(random.nextInt(CONSONANTS.length()))
        + VOWELS.charAt(random.nextInt(VOWELS.length()));
  }
}
