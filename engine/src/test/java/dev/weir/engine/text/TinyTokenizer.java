package dev.weir.engine.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A tokenizer of the tests' own: a byte-level vocabulary of the 256 bytes and no merges, with
 * {@code <|end|>} (special, id 256), {@code <call>} (id 257) and {@code } (three spaces, id 258).
 */
final class TinyTokenizer {

  static final String JSON =
      """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [%s], "normalizer": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                         "use_regex": true},
       "post_processor": null,
       "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
       "model": {"type": "BPE", "vocab": {%s}, "merges": []}}
      """
          .formatted(
              String.join(
                  ",",
                  added(256, "<|end|>", true),
                  added(257, "<call>", false),
                  added(258, "   ", false)),
              vocabulary());

  private TinyTokenizer() {}

  static Tokenizer load(Path folder) throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), JSON);
    return Tokenizer.load(folder);
  }

  private static String added(int id, String content, boolean special) {
    return """
    {"id": %d, "content": "%s", "special": %s, "single_word": false, "lstrip": false,
     "rstrip": false, "normalized": false}
    """
        .formatted(id, content, special);
  }

  private static String vocabulary() {
    StringBuilder entries = new StringBuilder();
    int id = 0;
    for (char c = 0; c < 512; c++) {
      if (Decoding.ByteAlphabet.byteOf(c) >= 0) {
        String escaped = c == '"' || c == '\\' ? "\\" + c : String.valueOf(c);
        entries.append(id == 0 ? "" : ",").append('"').append(escaped).append("\": ").append(id++);
      }
    }
    return entries.toString();
  }
}
