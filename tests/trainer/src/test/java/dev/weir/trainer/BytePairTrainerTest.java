package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What the learned vocabulary promises. */
final class BytePairTrainerTest {
  private static final int SIZE = 400;

  @Test
  void theMostFrequentPairIsMergedFirst() {
    // Of the pairs within a piece, (a, b) is seen five times and (c, d) four times.
    Vocabulary vocabulary = BytePairTrainer.train(List.of("ab ab ab ab ab", "cd", "cd cd cd"), 263);

    assertThat(spelledMerges(vocabulary)).containsExactly("ab", "Ġab");
  }

  @Test
  void ofEquallyFrequentPairsTheOneWithTheLowerIdsIsMergedFirst() {
    Vocabulary vocabulary = BytePairTrainer.train(List.of("yz", "\n", "ab"), 263);

    assertThat(spelledMerges(vocabulary)).containsExactly("ab", "yz");
  }

  @Test
  void mergesBuildOnEarlierOnes() {
    Vocabulary vocabulary = BytePairTrainer.train(corpusTexts(300), SIZE);

    Set<String> known = new HashSet<>();
    for (int value = 0; value < ByteAlphabet.SIZE; value++) {
      known.add(vocabulary.spelling(Vocabulary.byteToken(value)));
    }
    for (Vocabulary.Pair merge : vocabulary.merges()) {
      String left = vocabulary.spelling(merge.left());
      String right = vocabulary.spelling(merge.right());
      assertThat(known).contains(left, right);
      known.add(left + right);
    }
    assertThat(vocabulary.size()).isEqualTo(SIZE);
  }

  @Test
  void decodingWhatWasEncodedGivesTheTextBack() {
    Vocabulary vocabulary = BytePairTrainer.train(corpusTexts(300), SIZE);
    Dice dice = new Dice(11);

    List<String> texts = new ArrayList<>(corpusTexts(200));
    texts.addAll(List.of("", " ", "  two  spaces \n\n and lines\t", "grüße, 世界 🦊", "<|end|>"));
    for (int i = 0; i < 500; i++) {
      texts.add(anyText(dice));
    }
    for (String text : texts) {
      assertThat(vocabulary.decode(vocabulary.encode(text))).isEqualTo(text);
    }
  }

  @Test
  void aSpecialTokenIsNeverReadOutOfText() {
    Vocabulary vocabulary = BytePairTrainer.train(corpusTexts(300), SIZE);

    assertThat(Arrays.stream(vocabulary.encode("<|end|><|user|>")))
        .isNotEmpty()
        .allMatch(token -> token >= Vocabulary.SPECIALS.size());
  }

  @Test
  void eachDigitIsItsOwnTokenWhereverItStands() {
    Vocabulary vocabulary = BytePairTrainer.train(corpusTexts(300), SIZE);

    int[] tokens = vocabulary.encode("42 + 7=49");

    assertThat(tokens)
        .contains(Vocabulary.byteToken('4'), Vocabulary.byteToken('2'), Vocabulary.byteToken('7'));
    assertThat(Arrays.stream(tokens).filter(t -> t == Vocabulary.byteToken('4')).count())
        .isEqualTo(2);
  }

  @Test
  void theSameTextGivesTheSameVocabulary() {
    assertThat(BytePairTrainer.train(corpusTexts(200), SIZE).merges())
        .isEqualTo(BytePairTrainer.train(corpusTexts(200), SIZE).merges());
  }

  @Test
  void aVocabularySmallerThanTheBytesIsRefused() {
    assertThatThrownBy(() -> BytePairTrainer.train(List.of("text"), 200))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("261");
  }

  @Test
  void theByteAlphabetHasOneSymbolForEachByte() {
    Set<Character> symbols = new HashSet<>();
    for (int value = 0; value < ByteAlphabet.SIZE; value++) {
      symbols.add(ByteAlphabet.symbol(value));
    }

    assertThat(symbols).hasSize(ByteAlphabet.SIZE);
    assertThat(ByteAlphabet.symbol(' ')).isEqualTo('Ġ');
    assertThat(ByteAlphabet.symbol('\n')).isEqualTo('Ċ');
    assertThat(ByteAlphabet.symbol('a')).isEqualTo('a');
  }

  private static List<String> spelledMerges(Vocabulary vocabulary) {
    return vocabulary.merges().stream()
        .map(pair -> vocabulary.spelling(pair.left()) + vocabulary.spelling(pair.right()))
        .toList();
  }

  private static List<String> corpusTexts(int count) {
    Corpus corpus = new Corpus(5, Corpus.Mix.EVERYTHING);
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      texts.add(corpus.next().text());
    }
    return texts;
  }

  private static String anyText(Dice dice) {
    StringBuilder text = new StringBuilder();
    int length = dice.between(0, 30);
    for (int i = 0; i < length; i++) {
      int codePoint = dice.chance(0.5) ? dice.between(0, 0x7F) : dice.between(0, 0x10FFFF);
      // Half a surrogate pair is no text.
      text.appendCodePoint(Character.getType(codePoint) == Character.SURROGATE ? '?' : codePoint);
    }
    return text.toString();
  }
}
