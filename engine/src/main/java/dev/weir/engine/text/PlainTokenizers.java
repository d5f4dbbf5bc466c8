package dev.weir.engine.text;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizers without control tokens, made when they are first needed: each takes as long to
 * make and as much memory as the full one (0.5 s for Llama 3), and most conversations need none.
 */
final class PlainTokenizers implements AutoCloseable {

  private final TokenizerJson json;
  private final List<AddedToken> control;
  private @Nullable NativeTokenizer atStart;
  private @Nullable NativeTokenizer continuing;
  private boolean closed;

  PlainTokenizers(TokenizerJson json, List<AddedToken> control) {
    this.json = json;
    this.control = List.copyOf(control);
  }

  /** For text at the start of the whole. */
  synchronized NativeTokenizer atStart() {
    requireOpen();
    if (atStart == null) {
      atStart = new NativeTokenizer(PlainJson.of(json, control));
    }
    return atStart;
  }

  /** For text behind other text; the same tokenizer where the vocabulary makes no difference. */
  synchronized NativeTokenizer continuing() {
    requireOpen();
    if (continuing == null) {
      String plain = PlainJson.of(json, control);
      String without = PlainJson.continuing(plain);
      continuing = without.equals(plain) ? atStart() : new NativeTokenizer(without);
    }
    return continuing;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the tokenizer is closed");
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    if (atStart != null) {
      atStart.close();
    }
    if (continuing != null) {
      continuing.close();
    }
  }
}
