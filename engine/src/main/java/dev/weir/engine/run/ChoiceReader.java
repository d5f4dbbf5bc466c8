package dev.weir.engine.run;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.engine.text.Detokenizer;
import dev.weir.engine.text.StopStrings;
import dev.weir.engine.text.Tokenizer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Turns one choice's log into events, on the reader's thread: detokenises, holds back what may be
 * the beginning of a stop string, and ends the choice where one matches.
 */
final class ChoiceReader {
  /**
   * How much of the prompt the detokeniser sees before the output: enough for a character that the
   * output completes and for the space that belongs between words.
   */
  private static final int CONTEXT_TOKENS = 16;

  private final Sequence sequence;
  private final Detokenizer detokenizer;
  private final StopStrings.Matcher stops;

  /** Text of the prompt that the detokeniser still held back when the output began. */
  private String promptTail;

  private int read;
  private boolean finished;

  ChoiceReader(Sequence sequence, Tokenizer tokenizer, boolean skipSpecialTokens) {
    this.sequence = sequence;
    detokenizer = tokenizer.detokenizer(skipSpecialTokens);
    Detokenizer promptOnly = tokenizer.detokenizer(skipSpecialTokens);
    int[] prompt = sequence.job.prompt();
    for (int i = Math.max(0, prompt.length - CONTEXT_TOKENS); i < prompt.length; i++) {
      detokenizer.append(prompt[i]);
      promptOnly.append(prompt[i]);
    }
    promptTail = promptOnly.finish();
    stops = StopStrings.of(sequence.job.request().sampling().stopStrings()).matcher();
  }

  Sequence sequence() {
    return sequence;
  }

  boolean finished() {
    return finished;
  }

  /** How many tokens have been read. */
  int read() {
    return read;
  }

  /** Whether {@link #next} would return an event. */
  boolean ready() {
    return !finished
        && (stops.match().isPresent()
            || read < sequence.log.published()
            || sequence.log.ending() != null);
  }

  /** The next event, or null if there is none yet. */
  @Nullable TokenEvent next() {
    if (finished) {
      return null;
    }
    if (stops.match().isPresent()) {
      return finish(FinishReason.STOP, "");
    }
    TokenLog log = sequence.log;
    Ending ending = log.ending(); // before the size: once there is an ending the size is final
    if (read < log.published()) {
      int index = read++;
      String text = stops.append(withoutPrompt(detokenizer.append(log.id(index))));
      return new TokenEvent.Token(
          sequence.choice, log.id(index), text, log.logprob(index), log.alternatives(index));
    }
    if (ending == null) {
      return null;
    }
    if (ending.failure() != null) {
      finished = true;
      throw ending.failure();
    }
    String tail = stops.append(withoutPrompt(detokenizer.finish()));
    return stops.match().isEmpty()
        ? finish(ending.reason(), tail + stops.finish())
        : finish(FinishReason.STOP, tail);
  }

  private TokenEvent finish(@Nullable FinishReason reason, String text) {
    finished = true;
    return new TokenEvent.Finished(
        sequence.choice, Objects.requireNonNull(reason), text, stops.match().orElse(null), read);
  }

  /** Cuts what the prompt's last tokens had left in the detokeniser. */
  private String withoutPrompt(String text) {
    if (promptTail.isEmpty() || text.isEmpty()) {
      return text;
    }
    String tail = promptTail;
    promptTail = "";
    return text.startsWith(tail) ? text.substring(tail.length()) : text;
  }
}
