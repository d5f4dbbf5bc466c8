package dev.weir.server.api;

import dev.weir.engine.Engine;
import dev.weir.engine.model.GenerationDefaults;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.text.Conversation;
import dev.weir.engine.text.jinja.TemplateException;
import dev.weir.server.protocol.ApiException;
import dev.weir.server.protocol.ChatPrompt;
import dev.weir.server.protocol.ModelFacts;
import dev.weir.server.protocol.SamplingDefaults;
import java.util.List;

/** An engine's model under a name. */
public final class EngineModel implements ServedModel {
  private final Engine engine;
  private final String name;
  private final long created;
  private final ModelFacts facts;

  /**
   * Serves the engine's model; the engine stays the caller's to close.
   *
   * @param name what requests call it
   * @param created since when, in seconds since 1970
   */
  public EngineModel(Engine engine, String name, long created) {
    this.engine = engine;
    this.name = name;
    this.created = created;
    facts =
        new ModelFacts(
            engine.config().vocabSize(),
            engine.contextLength(),
            engine.shards().size(),
            defaults(engine.defaults()));
  }

  /** What the model's makers suggest, and OpenAI's values where they say nothing. */
  public static SamplingDefaults defaults(GenerationDefaults suggested) {
    SamplingDefaults openAi = SamplingDefaults.OPENAI;
    if (!suggested.doSample().orElse(true)) {
      return new SamplingDefaults(
          0,
          openAi.topK(),
          openAi.topP(),
          openAi.minP(),
          (float) suggested.repetitionPenalty().orElse(openAi.repetitionPenalty()));
    }
    return new SamplingDefaults(
        (float) suggested.temperature().orElse(openAi.temperature()),
        suggested.topK().orElse(openAi.topK()),
        (float) suggested.topP().orElse(openAi.topP()),
        (float) suggested.minP().orElse(openAi.minP()),
        (float) suggested.repetitionPenalty().orElse(openAi.repetitionPenalty()));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public long created() {
    return created;
  }

  @Override
  public ModelFacts facts() {
    return facts;
  }

  @Override
  public Generation submit(Request request) {
    return engine.submit(request);
  }

  @Override
  public List<SessionInfo> sessions() {
    return engine.sessions();
  }

  @Override
  public SessionInfo session(String id) {
    return engine.session(id);
  }

  @Override
  public void endSession(String id) {
    engine.endSession(id);
  }

  @Override
  public List<ShardStats> shards() {
    return engine.shards();
  }

  @Override
  public List<StepRecord> steps(long after) {
    return engine.steps(after);
  }

  @Override
  public int[] encode(String text, boolean addSpecialTokens) {
    return engine.tokenizer().encode(text, addSpecialTokens);
  }

  @Override
  public int[] encodeChat(ChatPrompt chat) {
    Conversation conversation =
        new Conversation(
            chat.messages(),
            chat.tools(),
            chat.documents(),
            chat.addGenerationPrompt(),
            chat.continueFinalMessage(),
            chat.extra());
    try {
      return engine.chatTemplate().render(conversation).tokenIds();
    } catch (TemplateException e) {
      throw ApiException.invalid(
          "messages", "the model's chat template refused the conversation: " + e.getMessage());
    }
  }

  @Override
  public String decode(int[] tokens, boolean skipSpecialTokens) {
    return engine.tokenizer().decode(tokens, skipSpecialTokens);
  }

  @Override
  public byte[] tokenBytes(int token) {
    return engine.tokenizer().tokenBytes(token);
  }
}
