package dev.weir.kernels;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A kernel's source with one mistake.
 *
 * @param source the kernels' source file
 * @param text what stands there, once
 * @param replacement what stands there instead
 * @param mistake what that means, in words
 * @param check what has to find it
 */
record Mutant(String source, String text, String replacement, String mistake, OpCheck check) {

  /**
   * Writes the mutated source.
   *
   * @throws IllegalStateException if the text is not in the source just once: then the source has
   *     changed, and the mutant has to follow
   */
  void write(Path original, Path to) throws IOException {
    String code = Files.readString(original, UTF_8);
    int at = code.indexOf(text);
    if (at < 0 || code.indexOf(text, at + 1) >= 0) {
      throw new IllegalStateException(
          "%s has %s '%s' (%s): let the mutant follow the source"
              .formatted(source, at < 0 ? "no" : "more than one", text, mistake));
    }
    Files.writeString(
        to, code.substring(0, at) + replacement + code.substring(at + text.length()), UTF_8);
  }

  @Override
  public String toString() {
    return source + ": " + mistake;
  }
}
