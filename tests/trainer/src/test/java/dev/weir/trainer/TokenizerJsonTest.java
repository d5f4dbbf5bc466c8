package dev.weir.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What the tokenizer's files say. */
final class TokenizerJsonTest {
  private final Vocabulary vocabulary =
      BytePairTrainer.train(List.of("the fox and the other fox", "the \"fox\""), 270);
  private final JsonNode json =
      JsonMapper.shared()
          .readTree(JsonMapper.shared().writeValueAsString(TokenizerJson.tokenizer(vocabulary)));

  @Test
  void everyTokenHasItsIdAndMergesStandInTheOrderInWhichTheyWereLearned() {
    JsonNode model = json.at("/model");

    assertThat(model.at("/vocab").size()).isEqualTo(vocabulary.size());
    for (int id = 0; id < vocabulary.size(); id++) {
      assertThat(model.get("vocab").get(vocabulary.spelling(id)).asInt()).isEqualTo(id);
    }
    assertThat(model.get("merges").size()).isEqualTo(vocabulary.merges().size());
    for (int i = 0; i < vocabulary.merges().size(); i++) {
      int token = Vocabulary.byteToken(ByteAlphabet.SIZE) + i;
      assertThat(model.get("merges").get(i).asString().replace(" ", ""))
          .isEqualTo(vocabulary.spelling(token));
    }
  }

  @Test
  void specialTokensAreAddedUnderTheirIds() {
    JsonNode added = json.at("/added_tokens");

    for (int id = 0; id < Vocabulary.SPECIALS.size(); id++) {
      assertThat(added.get(id).get("id").asInt()).isEqualTo(id);
      assertThat(added.get(id).get("content").asString()).isEqualTo(Vocabulary.SPECIALS.get(id));
      assertThat(added.get(id).get("special").asBoolean()).isTrue();
    }
  }

  @Test
  void thePatternIsTheOneThatTheTrainerCutsWith() {
    assertThat(json.at("/pre_tokenizer/pretokenizers/0/pattern/Regex").asString())
        .isEqualTo(PreTokenizer.PATTERN);
  }
}
