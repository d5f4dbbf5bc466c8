package dev.weir.engine.text;

import java.util.Collection;
import java.util.List;
import java.util.Set;

/**
 * Which added tokens steer the model, so that text from outside must not be able to write them.
 *
 * <p>These are the tokens marked special; those shaped {@code <|...|>} and the customary sentence
 * marks, which some vocabularies forget to mark; and every added token that the model's own chat
 * template writes ({@code <tool_call>}, {@code <think>}). The remaining added tokens, such as runs
 * of white space or HTML tags, are ordinary text.
 */
final class ControlTokens {

  private static final Set<String> SENTENCE_MARKS =
      Set.of("<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>");

  private ControlTokens() {}

  static List<AddedToken> of(List<AddedToken> addedTokens, Collection<String> templates) {
    return addedTokens.stream().filter(token -> isControl(token, templates)).toList();
  }

  private static boolean isControl(AddedToken token, Collection<String> templates) {
    String content = token.content();
    return isMark(token)
        || (isTag(content) && templates.stream().anyMatch(source -> source.contains(content)));
  }

  /**
   * Whether a control token is one that the model writes inside its own turns ({@code <think>},
   * {@code <tool_call>}), so that in those turns it is no forgery.
   */
  static boolean isOwnTag(AddedToken control) {
    return !isMark(control);
  }

  /** Whether a token marks turns or ends, or is otherwise never to be written by anyone. */
  private static boolean isMark(AddedToken token) {
    String content = token.content();
    return token.special()
        || SENTENCE_MARKS.contains(content)
        || (content.startsWith("<|") && content.endsWith("|>"));
  }

  private static boolean isTag(String content) {
    return (content.startsWith("<") && content.endsWith(">"))
        || (content.startsWith("[") && content.endsWith("]"));
  }
}
