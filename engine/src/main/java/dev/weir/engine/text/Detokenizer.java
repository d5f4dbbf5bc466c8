package dev.weir.engine.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Turns one stream of token ids into text, token by token. Not thread-safe: one per stream.
 *
 * <p>What {@link #append} returns is final: whole characters, never a part of one, and never taken
 * back. The strings returned, with that of {@link #finish} at the end, join to what the Hugging
 * Face library would decode from all the ids at once, also where those hold broken UTF-8.
 *
 * <p>Vocabularies with byte fallback hold back a run of byte tokens until it ends, because that
 * library decides over the run as a whole: one wrong byte turns every byte of it into U+FFFD.
 *
 * <p>{@code clean_up_tokenization_spaces} is not applied, whatever the model says: it would change
 * text that the model wrote (" ." to "."), and a client could not get the ids back from the text.
 */
public final class Detokenizer {

  private static final int INITIAL_RUN = 16;

  private final TokenTable table;
  private final boolean skipSpecial;
  private final Utf8Assembler characters = new Utf8Assembler();
  private final StringBuilder out = new StringBuilder();
  private byte[] run = new byte[INITIAL_RUN];
  private int runLength;
  private int toStrip;
  private boolean started;
  private boolean finished;

  Detokenizer(TokenTable table, boolean skipSpecial) {
    this.table = table;
    this.skipSpecial = skipSpecial;
    toStrip = table.decoding() instanceof Decoding.Pieces pieces ? pieces.stripCount() : 0;
  }

  /**
   * Takes the next id.
   *
   * @return the text that it completes, often empty; an id without a token has no text
   */
  public String append(int id) {
    if (finished) {
      throw new IllegalStateException("append after finish");
    }
    if (!table.contains(id) || (skipSpecial && table.isSpecial(id))) {
      return "";
    }
    switch (table.decoding()) {
      case Decoding.ByteLevel _ -> assemble(table.bytes(), table.start(id), table.end(id));
      case Decoding.Pieces _ -> appendPiece(id);
      case Decoding.Metaspace metaspace -> appendMarked(metaspace, id);
    }
    started = true;
    return take();
  }

  /** Ends the stream and returns what was held back. */
  public String finish() {
    if (!finished) {
      finished = true;
      endRun();
      characters.finish(out);
    }
    return take();
  }

  private void appendPiece(int id) {
    if (table.isRawByte(id)) {
      if (runLength == run.length) {
        run = Arrays.copyOf(run, 2 * runLength);
      }
      run[runLength++] = table.bytes()[table.start(id)];
    } else {
      endRun();
      assemble(table.bytes(), table.start(id), table.end(id));
    }
  }

  private void appendMarked(Decoding.Metaspace metaspace, int id) {
    if (started) {
      assemble(table.bytes(), table.start(id), table.end(id));
    } else {
      byte[] first = metaspace.firstBytes(table.token(id));
      assemble(first, 0, first.length);
    }
  }

  private void endRun() {
    if (runLength > 0) {
      int before = out.length();
      assemble(run, 0, runLength);
      characters.finish(out);
      if (out.indexOf(String.valueOf(Utf8Assembler.REPLACEMENT), before) >= 0
          && !isWellFormed(run, runLength)) {
        out.setLength(before);
        out.repeat(Utf8Assembler.REPLACEMENT, runLength);
      }
      runLength = 0;
    }
  }

  /** Well-formed bytes are those that come back from text; only then is a U+FFFD the text's own. */
  private static boolean isWellFormed(byte[] bytes, int length) {
    StringBuilder text = new StringBuilder();
    Utf8Assembler.decode(bytes, 0, length, text);
    byte[] back = text.toString().getBytes(StandardCharsets.UTF_8);
    return Arrays.equals(back, 0, back.length, bytes, 0, length);
  }

  private void assemble(byte[] bytes, int start, int end) {
    for (int i = start; i < end; i++) {
      characters.accept(bytes[i], out);
    }
  }

  private String take() {
    if (out.isEmpty()) {
      return "";
    }
    int start = 0;
    if (toStrip > 0 && table.decoding() instanceof Decoding.Pieces pieces) {
      while (start < out.length() && toStrip > 0 && out.charAt(start) == pieces.strip()) {
        start++;
        toStrip--;
      }
      toStrip = start < out.length() ? 0 : toStrip;
    }
    String text = out.substring(start);
    out.setLength(0);
    return text;
  }
}
