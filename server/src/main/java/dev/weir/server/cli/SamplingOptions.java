package dev.weir.server.cli;

import dev.weir.engine.model.GenerationDefaults;
import dev.weir.engine.request.Sampling;
import dev.weir.server.api.EngineModel;
import dev.weir.server.protocol.SamplingDefaults;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How tokens are chosen; what is not given follows the model's generation_config.json. */
final class SamplingOptions {
  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens to generate. Default: ${DEFAULT-VALUE}.",
      defaultValue = "512")
  private int maxTokens;

  @Option(
      names = {"-t", "--temperature"},
      paramLabel = "X",
      description = "0 takes the likeliest token each time; 1 draws as the model has learnt.")
  private @Nullable Float temperature;

  @Option(names = "--top-k", paramLabel = "K", description = "Draw among the K likeliest; 0: all.")
  private @Nullable Integer topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Draw among the likeliest that have probability P together.")
  private @Nullable Float topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      description = "Draw among those at least P times as likely as the likeliest.")
  private @Nullable Float minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      description = "Above 1: tokens seen before become less likely.")
  private @Nullable Float repetitionPenalty;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Same seed, same tokens. Default: drawn afresh.")
  private @Nullable Long seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End before this text; may be repeated.")
  private List<String> stop = new ArrayList<>();

  /**
   * What was asked for, and the model's defaults for the rest.
   *
   * @throws dev.weir.engine.request.InvalidRequestException naming a value that is out of range
   */
  Sampling sampling(GenerationDefaults makers) {
    SamplingDefaults defaults = EngineModel.defaults(makers);
    Sampling.Builder builder =
        Sampling.builder()
            .maxTokens(maxTokens)
            .stopStrings(stop)
            .temperature(temperature != null ? temperature : defaults.temperature())
            .topK(topK != null ? topK : defaults.topK())
            .topP(topP != null ? topP : defaults.topP())
            .minP(minP != null ? minP : defaults.minP())
            .repetitionPenalty(
                repetitionPenalty != null ? repetitionPenalty : defaults.repetitionPenalty());
    if (seed != null) {
      builder.seed(seed);
    }
    return builder.build();
  }
}
