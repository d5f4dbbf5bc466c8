package dev.weir.trainer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Learns a byte-level BPE vocabulary: again and again, the pair of neighbouring tokens that is seen
 * most often becomes a token (Sennrich et al. 2016, over bytes).
 */
final class BytePairTrainer {
  private BytePairTrainer() {}

  /** A distinct piece of the text in its present tokens, and how often it occurs. */
  private record CountedPiece(List<Integer> tokens, int count) {}

  /**
   * Learns from the texts.
   *
   * @param size the number of tokens wanted, special tokens and bytes included; the vocabulary is
   *     smaller if the text has nothing left to merge
   */
  static Vocabulary train(Iterable<String> texts, int size) {
    List<CountedPiece> pieces = count(texts);
    List<Vocabulary.Pair> merges = new ArrayList<>();
    int next = Vocabulary.byteToken(ByteAlphabet.SIZE);
    if (size < next) {
      throw new IllegalArgumentException("a vocabulary has at least " + next + " tokens: " + size);
    }
    while (next < size) {
      Vocabulary.Pair best = mostFrequent(pieces);
      if (best == null) {
        break;
      }
      merges.add(best);
      int token = next++;
      pieces.replaceAll(
          piece ->
              new CountedPiece(Vocabulary.replace(piece.tokens(), best, token), piece.count()));
    }
    return new Vocabulary(merges);
  }

  private static List<CountedPiece> count(Iterable<String> texts) {
    Map<String, Integer> counts = new TreeMap<>();
    for (String text : texts) {
      for (String piece : PreTokenizer.split(text)) {
        counts.merge(piece, 1, Integer::sum);
      }
    }
    List<CountedPiece> pieces = new ArrayList<>();
    counts.forEach(
        (piece, count) -> {
          List<Integer> tokens = new ArrayList<>();
          for (byte value : piece.getBytes(StandardCharsets.UTF_8)) {
            tokens.add(Vocabulary.byteToken(Byte.toUnsignedInt(value)));
          }
          pieces.add(new CountedPiece(tokens, count));
        });
    return pieces;
  }

  /** Returns the pair seen most often, of equals the one with the lowest ids; null if none is. */
  private static Vocabulary.@org.jspecify.annotations.Nullable Pair mostFrequent(
      List<CountedPiece> pieces) {
    Map<Vocabulary.Pair, Integer> counts = new HashMap<>();
    for (CountedPiece piece : pieces) {
      List<Integer> tokens = piece.tokens();
      for (int i = 0; i + 1 < tokens.size(); i++) {
        counts.merge(
            new Vocabulary.Pair(tokens.get(i), tokens.get(i + 1)), piece.count(), Integer::sum);
      }
    }
    return counts.entrySet().stream()
        .max(
            Map.Entry.<Vocabulary.Pair, Integer>comparingByValue()
                .thenComparing(
                    Map.Entry.comparingByKey(
                        Comparator.comparingInt(Vocabulary.Pair::left)
                            .thenComparingInt(Vocabulary.Pair::right)
                            .reversed())))
        .map(Map.Entry::getKey)
        .orElse(null);
  }
}
