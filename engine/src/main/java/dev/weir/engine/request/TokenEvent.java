package dev.weir.engine.request;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a {@link Generation} tells, in order per choice: its tokens, then how it ended. */
public sealed interface TokenEvent {

  /** Which continuation, from 0. */
  int choice();

  /**
   * A token was drawn.
   *
   * @param choice which continuation
   * @param id the token
   * @param text the text that is final now that this token is known: never half a character, and
   *     possibly empty while a character or a stop string is still open
   * @param logprob its raw logprob (before temperature and penalties); NaN where not asked for
   * @param alternatives the likeliest tokens, descending; empty where not asked for
   */
  record Token(int choice, int id, String text, float logprob, List<Alternative> alternatives)
      implements TokenEvent {}

  /**
   * A choice ended; nothing follows for it.
   *
   * @param choice which continuation
   * @param reason why
   * @param text what was still held back
   * @param stop the stop string that matched, or null
   * @param outputTokens tokens drawn for this choice, a final stop token included
   */
  record Finished(
      int choice, FinishReason reason, String text, @Nullable String stop, int outputTokens)
      implements TokenEvent {}

  /**
   * A token that could have been drawn.
   *
   * @param id the token
   * @param logprob its raw logprob
   */
  record Alternative(int id, float logprob) {}
}
