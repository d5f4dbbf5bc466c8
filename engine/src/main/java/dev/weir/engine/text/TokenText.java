package dev.weir.engine.text;

import java.util.ArrayList;
import java.util.List;

/**
 * One token as OpenAI's {@code logprobs.content[]} shows it: on its own, whatever surrounds it.
 *
 * @param token its text; bytes that are no whole characters show as U+FFFD
 * @param bytes its bytes, each from 0 to 255; those of the tokens of one message, joined, are the
 *     message's bytes, so that a client can put a split character together
 */
public record TokenText(String token, List<Integer> bytes) {

  public TokenText {
    bytes = List.copyOf(bytes);
  }

  static TokenText of(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    Utf8Assembler.decode(bytes, 0, bytes.length, text);
    List<Integer> values = new ArrayList<>(bytes.length);
    for (byte value : bytes) {
      values.add(value & 0xFF);
    }
    return new TokenText(text.toString(), values);
  }
}
