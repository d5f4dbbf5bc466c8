package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the generated text promises. */
final class CorpusTest {
  private static final int DOCUMENTS = 3000;
  private static final Pattern SOLVED = Pattern.compile("(\\d+) ([+-]) (\\d+) = (\\d+)");

  @Test
  void theSameSeedGivesTheSameText() {
    assertThat(documents(21)).isEqualTo(documents(21)).isNotEqualTo(documents(22));
  }

  @Test
  void everySolvedSumIsRight() {
    assertThat(solvedSums(documents(23)))
        .hasSizeGreaterThan(DOCUMENTS)
        .allSatisfy(
            sum -> {
              int left = Integer.parseInt(sum.group(1));
              int right = Integer.parseInt(sum.group(3));
              int result = Integer.parseInt(sum.group(4));
              assertThat(result)
                  .as(sum.group())
                  .isEqualTo(sum.group(2).equals("+") ? left + right : left - right);
            });
  }

  @Test
  void noHeldOutSumIsInTheText() {
    assertThat(solvedSums(documents(24)))
        .noneMatch(
            sum ->
                new Sum(
                        Integer.parseInt(sum.group(1)),
                        sum.group(2).equals("+") ? Sum.Operator.PLUS : Sum.Operator.MINUS,
                        Integer.parseInt(sum.group(3)))
                    .heldOut());
  }

  @Test
  void aboutOneSumInTenIsHeldOutWithItsMirrorImage() {
    List<Sum> sums =
        IntStream.rangeClosed(0, Sum.GREATEST)
            .boxed()
            .flatMap(
                left ->
                    IntStream.rangeClosed(0, Sum.GREATEST)
                        .mapToObj(right -> new Sum(left, Sum.Operator.PLUS, right)))
            .toList();

    assertThat(sums.stream().filter(Sum::heldOut).count()).isBetween(800L, 1200L);
    assertThat(sums).allMatch(sum -> sum.heldOut() == mirrored(sum).heldOut());
  }

  @Test
  void everyConversationEndsWithAnAnswer() {
    assertThat(documents(25))
        .filteredOn(document -> document.turns().getLast().role() != Document.Role.PLAIN)
        .isNotEmpty()
        .allMatch(document -> document.turns().getLast().role() == Document.Role.ASSISTANT);
  }

  @Test
  void copiesAndReversalsAreRight() {
    Dice dice = new Dice(26);
    List<Exchange> reversals =
        Stream.generate(() -> Words.draw(dice))
            .limit(DOCUMENTS)
            .filter(exchange -> exchange.question().matches("(Reverse|Say) the(se)? words.*: .*"))
            .toList();

    assertThat(reversals)
        .isNotEmpty()
        .allSatisfy(
            exchange -> {
              List<String> words = List.of(exchange.question().split(": ")[1].split(" "));
              assertThat(List.of(exchange.answer().split(" "))).isEqualTo(words.reversed());
            });
  }

  @Test
  void everyStoryNamesItsHeroThroughoutAndLeavesNoHoleUnfilled() {
    Dice dice = new Dice(27);
    Pattern opening =
        Pattern.compile("Once upon a time, there was an? \\w+ \\w+ named (\\w+)\\. \\1 lived .*");

    for (int i = 0; i < DOCUMENTS; i++) {
      String story = Stories.tell(dice);
      Matcher matcher = opening.matcher(story);
      assertThat(matcher.matches()).as(story).isTrue();
      assertThat(story.split(matcher.group(1), -1).length).as(story).isGreaterThan(3);
      assertThat(story).doesNotContain("%").endsWith(".");
    }
  }

  @Test
  void questionsAreReadAndAnswersAreLearned() {
    Vocabulary vocabulary = new Vocabulary(List.of());
    Document talk = new Document(List.of(Document.Turn.user("Hi"), Document.Turn.assistant("Yo")));

    EncodedDocument encoded = EncodedDocument.of(talk, vocabulary);

    assertThat(encoded.tokens())
        .containsExactly(
            Vocabulary.USER,
            Vocabulary.byteToken('H'),
            Vocabulary.byteToken('i'),
            Vocabulary.END,
            Vocabulary.ASSISTANT,
            Vocabulary.byteToken('Y'),
            Vocabulary.byteToken('o'),
            Vocabulary.END,
            Vocabulary.END_OF_TEXT);
    assertThat(encoded.learned())
        .containsExactly(false, false, false, false, false, true, true, true, false);
  }

  @Test
  void packedRowsBeginWithADocumentAndTargetsFollowTheirInputs() {
    Vocabulary vocabulary = new Vocabulary(List.of());
    Corpus corpus = new Corpus(28, Corpus.Mix.EVERYTHING);

    Batch batch = Batch.pack(() -> EncodedDocument.of(corpus.next(), vocabulary), 6, 128);

    assertThat(batch.tokens()).hasSize(6 * 128);
    for (int row = 0; row < 6; row++) {
      for (int i = 0; i + 1 < 128; i++) {
        assertThat(batch.targets()[row * 128 + i]).isEqualTo(batch.tokens()[row * 128 + i + 1]);
      }
    }
    assertThat(batch.learned()).isSorted().doesNotHaveDuplicates();
    assertThat(batch.learned().length).isBetween(128, 6 * 128);
  }

  private static Sum mirrored(Sum sum) {
    int first = sum.right();
    int second = sum.left();
    return new Sum(first, sum.operator(), second);
  }

  private static List<Document> documents(long seed) {
    Corpus corpus = new Corpus(seed, Corpus.Mix.EVERYTHING);
    return Stream.generate(corpus::next).limit(DOCUMENTS).toList();
  }

  private static List<MatchResult> solvedSums(List<Document> documents) {
    return documents.stream()
        .flatMap(
            document -> {
              StringBuilder text = new StringBuilder();
              for (Document.Turn turn : document.turns()) {
                text.append(turn.text());
                if (turn.role() != Document.Role.PLAIN) {
                  text.append('\n');
                }
              }
              return SOLVED.matcher(text).results();
            })
        .toList();
  }
}
