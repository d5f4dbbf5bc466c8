package dev.weir.engine.model;

import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.load.StrictJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * What a model's makers suggest for generation: {@code generation_config.json}, which may be
 * absent.
 *
 * @param eosIds ids that end a generation: those of generation_config.json, then those of
 *     config.json that it lacks
 * @param bosId begin-of-sequence id, of either file
 * @param doSample whether to sample or to take the likeliest token; empty if the file does not say.
 *     The sampling values below are read whatever it says; with {@code false} they mean nothing
 * @param temperature divisor of the logits; 0 means the likeliest token
 * @param topK keep the k likeliest tokens; 0 keeps all
 * @param topP keep the likeliest tokens that have this probability together
 * @param minP keep tokens with this fraction of the likeliest one's probability
 * @param repetitionPenalty divisor for logits of tokens seen before; 1 for none
 * @param maxNewTokens longest answer
 * @param maxLength longest prompt and answer together
 */
public record GenerationDefaults(
    List<Integer> eosIds,
    OptionalInt bosId,
    Optional<Boolean> doSample,
    OptionalDouble temperature,
    OptionalInt topK,
    OptionalDouble topP,
    OptionalDouble minP,
    OptionalDouble repetitionPenalty,
    OptionalInt maxNewTokens,
    OptionalInt maxLength) {

  private static final String FILE = "generation_config.json";
  private static final int MAX_FILE_BYTES = 1 << 20; // real ones stay under 1 KB
  private static final double MOST_TEMPERATURE = 100;
  private static final double LEAST_PENALTY = 1e-3;
  private static final double MOST_PENALTY = 1e3;

  /** Copies the list. */
  public GenerationDefaults {
    eosIds = List.copyOf(eosIds);
  }

  /**
   * Reads the defaults from a model directory.
   *
   * @throws ModelLoadException if the file is there and broken, or names ids outside the vocabulary
   */
  public static GenerationDefaults read(Path directory, ModelConfig config) {
    Path file = directory.resolve(FILE);
    JsonFields fields =
        new JsonFields(
            file,
            "",
            Files.exists(file)
                ? StrictJson.readObject(file, MAX_FILE_BYTES)
                : JsonNodeFactory.instance.objectNode());
    int lastId = config.vocabSize() - 1;
    Set<Integer> eosIds = new LinkedHashSet<>(fields.intOrList("eos_token_id", 0, lastId));
    eosIds.addAll(config.eosIds());
    OptionalInt bosId = fields.findInt("bos_token_id", 0, lastId);
    return new GenerationDefaults(
        List.copyOf(eosIds),
        bosId.isPresent() ? bosId : config.bosId(),
        fields.findBoolean("do_sample"),
        fields.findDouble("temperature", 0, MOST_TEMPERATURE),
        fields.findIntAtMost("top_k", 0, config.vocabSize()),
        fields.findDouble("top_p", 0, 1),
        fields.findDouble("min_p", 0, 1),
        fields.findDouble("repetition_penalty", LEAST_PENALTY, MOST_PENALTY),
        fields.findIntAtMost("max_new_tokens", 1, ModelConfig.MAX_POSITIONS),
        fields.findIntAtMost("max_length", 1, ModelConfig.MAX_POSITIONS));
  }
}
