package dev.weir.tests.bench.load;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/** How requests are made: the options that all load generators share. */
final class TargetOptions {
  @Option(
      names = "--served-model",
      paramLabel = "NAME",
      description = "The model's name in requests to --url (default: ${DEFAULT-VALUE}).",
      defaultValue = WeirServer.MODEL_NAME)
  private String servedModel = WeirServer.MODEL_NAME;

  @Option(
      names = "--prompts",
      paramLabel = "FORM",
      description =
          "What prompts are: tokens (random ids; /v1/completions), text (random words) or chat (the"
              + " same for /v1/chat/completions). Default: ${DEFAULT-VALUE}.",
      defaultValue = "tokens")
  private PromptMaker.Form form = PromptMaker.Form.TOKENS;

  @Option(
      names = "--vocabulary",
      paramLabel = "N",
      description = "Token ids are below this (default: ${DEFAULT-VALUE}).",
      defaultValue = "256")
  private int vocabulary;

  @Option(
      names = "--extra",
      paramLabel = "JSON",
      converter = JsonObject.class,
      description = "Fields that every request gets (default: ${DEFAULT-VALUE}).",
      defaultValue = "{\"ignore_eos\":true}")
  private Extra extra = new Extra(Map.of());

  /** Fields of a request's body. */
  record Extra(Map<String, Object> fields) {}

  @Option(
      names = "--patience",
      paramLabel = "SECONDS",
      description = "A request that is not done after this has failed (default: ${DEFAULT-VALUE}).",
      defaultValue = "1800")
  private int patience;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The same seed asks the same (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private long seed;

  Target target(URI url) {
    return Target.of(url, servedModel, extra.fields(), Duration.ofSeconds(patience));
  }

  PromptMaker prompts() {
    return new PromptMaker(form, vocabulary, 1);
  }

  long seed() {
    return seed;
  }

  /** A JSON object. */
  static final class JsonObject implements ITypeConverter<Extra> {
    @Override
    public Extra convert(String value) {
      try {
        return new Extra(JsonMapper.shared().readValue(value, new TypeReference<>() {}));
      } catch (JacksonException wrong) {
        throw new TypeConversionException("'" + value + "' is no JSON object");
      }
    }
  }
}
