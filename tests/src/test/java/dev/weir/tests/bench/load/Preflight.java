package dev.weir.tests.bench.load;

import java.util.Random;

/**
 * What one request tells about a server before it is measured.
 *
 * @param tokensPerPiece tokens that come in one piece of a stream
 * @param prompts makes prompts whose lengths are right for the server's tokenizer
 */
record Preflight(double tokensPerPiece, PromptMaker prompts) {
  private static final int PROMPT_TOKENS = 64;
  private static final int ANSWER_TOKENS = 32;

  /** Below this, pieces are tokens: a last incomplete character may be withheld. */
  private static final double ONE_EACH = 1.15;

  static Preflight of(Target target, PromptMaker prompts, Random random)
      throws InterruptedException {
    Prompt prompt = prompts.make(PROMPT_TOKENS, random);
    StreamedCompletion one = StreamedCompletion.start(target, Ask.of(prompt, ANSWER_TOKENS));
    one.await();
    BenchFailedException.unless(
        one.failure() == null && one.answered(),
        target.url() + " does not answer as expected: " + one.failure());
    StreamReader said = one.said();
    double perPiece = (double) said.outputTokens() / one.arrivals().length;
    boolean words = prompts.form() != PromptMaker.Form.TOKENS && said.promptTokens() > 0;
    double perWord = words ? prompts.tokensPerWord() * said.promptTokens() / PROMPT_TOKENS : 1;
    return new Preflight(perPiece < ONE_EACH ? 1 : perPiece, prompts.withTokensPerWord(perWord));
  }
}
