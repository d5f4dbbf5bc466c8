package dev.weir.engine.request;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All of a request's results.
 *
 * @param choices one per continuation, in order
 * @param usage what it took
 */
public record Completion(List<Choice> choices, Usage usage) {

  /**
   * One continuation.
   *
   * @param text the text, cut before a stop string
   * @param tokens the events of its tokens; their ids include a final stop token
   * @param reason why it ended
   * @param stop the stop string that matched, or null
   */
  public record Choice(
      String text, List<TokenEvent.Token> tokens, FinishReason reason, @Nullable String stop) {

    /** The drawn token ids, a final stop token included. */
    public int[] tokenIds() {
      return tokens.stream().mapToInt(TokenEvent.Token::id).toArray();
    }
  }
}
