package dev.weir.engine.text;

import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.text.AddedTokenFinder.Span;
import dev.weir.engine.text.jinja.RenderLimits;
import dev.weir.engine.text.jinja.Template;
import dev.weir.engine.text.jinja.TemplateException;
import java.time.Clock;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Renders conversations with a model's chat template and encodes them. Thread-safe.
 *
 * <p><b>Control tokens in messages are plain text.</b> Whatever messages, tools, documents and
 * further variables contain, the control tokens of the prompt are those that the template writes;
 * the text between them is encoded without looking for any. The one exception are tags that the
 * template knows and the vocabulary does not call special, such as {@code <think>}, inside messages
 * of the assistant: the model wrote them, and a conversation sent back must encode as it was
 * generated. A template that builds a tag around a bare name from outside ({@code '<' ~ key ~ '>'})
 * is taken at its word.
 *
 * <p>Where messages contain nothing of the kind, the ids are those of the rendered text as the
 * Hugging Face library encodes it. No beginning-of-sequence token is added: writing it is the
 * template's own business.
 */
public final class ChatTemplate {

  private static final String TOOL_USE = "tool_use";

  private final Tokenizer tokenizer;
  private final Map<String, String> sources;
  private final Clock clock;
  private final RenderLimits limits;
  private final AddedTokenFinder finder;
  private final Disguise disguise;
  private final Map<String, Template> parsed = new LinkedHashMap<>();

  private ChatTemplate(
      Tokenizer tokenizer, Map<String, String> sources, Clock clock, RenderLimits limits) {
    this.tokenizer = tokenizer;
    this.sources = sources;
    this.clock = clock;
    this.limits = limits;
    finder = new AddedTokenFinder(tokenizer.addedTokens(), tokenizer.controlTokens());
    disguise = new Disguise(tokenizer.controlTokens());
  }

  /** The templates of the model that {@code tokenizer} was loaded from; there may be none. */
  public static ChatTemplate of(Tokenizer tokenizer, Clock clock, RenderLimits limits) {
    return new ChatTemplate(tokenizer, tokenizer.config().chatTemplates(), clock, limits);
  }

  static ChatTemplate of(Tokenizer tokenizer, String source, Clock clock, RenderLimits limits) {
    return new ChatTemplate(
        tokenizer, Map.of(TokenizerConfig.DEFAULT_TEMPLATE, source), clock, limits);
  }

  /** Whether there is any template. */
  public boolean isPresent() {
    return !sources.isEmpty();
  }

  /**
   * Renders and encodes {@code conversation}.
   *
   * @throws InvalidRequestException if the model has no template, or the prompt is too long
   * @throws TemplateException with the template's own words, if it fails or refuses the
   *     conversation, or takes more than the limits
   */
  public RenderedPrompt render(Conversation conversation) {
    String name = choose(conversation);
    Template template = parse(name);
    String text =
        render(
            template,
            conversation.messages(),
            conversation.tools(),
            conversation.documents(),
            conversation.extra(),
            conversation);
    List<?> inputs =
        Arrays.asList(
            conversation.messages(),
            conversation.tools(),
            conversation.documents(),
            conversation.extra());
    Disguise.Spelling spelling = disguise.spellingFor(inputs, sources.getOrDefault(name, ""));
    if (spelling == null) {
      return new RenderedPrompt(text, tokenizer.encode(text, false));
    }
    String disguised =
        render(
            template,
            spelling.messages(conversation.messages()),
            spelling.values(conversation.tools()),
            spelling.values(conversation.documents()),
            spelling.map(conversation.extra()),
            conversation);
    List<Span> spans = finder.spans(disguised);
    if (spelling.undo(disguised).equals(text)
        && controlIds(spans).equals(controlIds(finder.spans(text)))) {
      int[] ids = tokenizer.encode(text, false);
      if (controlIds(ids).equals(controlIds(spans))) {
        return new RenderedPrompt(text, ids);
      }
    }
    return new RenderedPrompt(spelling.undo(disguised), encode(disguised, spans, spelling));
  }

  /**
   * Each run between two control tokens is encoded as a whole, so merges are those of plain text.
   */
  private int[] encode(String disguised, List<Span> spans, Disguise.Spelling spelling) {
    IntStream.Builder ids = IntStream.builder();
    for (Span span : spans) {
      if (span.isControl()) {
        ids.add(span.controlId());
      } else {
        String run = spelling.undo(disguised.substring(span.start(), span.end()));
        int[] plain =
            span.start() == 0 ? tokenizer.encodePlain(run) : tokenizer.encodePlainContinuing(run);
        Arrays.stream(plain).forEach(ids::add);
      }
    }
    return ids.build().toArray();
  }

  private static List<Integer> controlIds(List<Span> spans) {
    return spans.stream().filter(Span::isControl).map(Span::controlId).toList();
  }

  private List<Integer> controlIds(int[] ids) {
    return Arrays.stream(ids).filter(finder::isControl).boxed().toList();
  }

  /** As transformers chooses: {@code tool_use} where there are tools and it exists. */
  private String choose(Conversation conversation) {
    if (!conversation.tools().isEmpty() && sources.containsKey(TOOL_USE)) {
      return TOOL_USE;
    }
    if (!sources.containsKey(TokenizerConfig.DEFAULT_TEMPLATE)) {
      throw new InvalidRequestException(
          "messages",
          sources.isEmpty()
              ? "this model has no chat template; send a prompt to /v1/completions instead"
              : "this model has chat templates named "
                  + sources.keySet()
                  + " but none for this request");
    }
    return TokenizerConfig.DEFAULT_TEMPLATE;
  }

  private synchronized Template parse(String name) {
    return parsed.computeIfAbsent(name, n -> Template.parse(sources.getOrDefault(n, "")));
  }

  private String render(
      Template template,
      List<?> messages,
      List<?> tools,
      List<?> documents,
      Map<String, ? extends @Nullable Object> extra,
      Conversation conversation) {
    Map<String, @Nullable Object> variables =
        new LinkedHashMap<>(tokenizer.config().specialTokens());
    variables.putAll(extra);
    variables.put("messages", messages);
    variables.put("tools", tools.isEmpty() ? null : tools);
    variables.put("documents", documents.isEmpty() ? null : documents);
    variables.put("add_generation_prompt", conversation.addGenerationPrompt());
    String text = template.render(variables, clock, limits);
    return conversation.continueFinalMessage() ? cutAfterFinalMessage(text, messages) : text;
  }

  /** Removes what the template writes behind the last message's content. */
  private static String cutAfterFinalMessage(String text, List<?> messages) {
    String content = finalContent(messages);
    int at = text.lastIndexOf(content.strip());
    if (content.isBlank() || at < 0) {
      throw new InvalidRequestException(
          "continue_final_message",
          "the last message has no text that the chat template renders unchanged");
    }
    // Trailing white space stays where the template kept it.
    String withTail = content.stripLeading();
    int end = at + (text.startsWith(withTail, at) ? withTail : content.strip()).length();
    return text.substring(0, end);
  }

  private static String finalContent(List<?> messages) {
    Object last = messages.isEmpty() ? null : messages.getLast();
    Object content = last instanceof Map<?, ?> message ? message.get("content") : null;
    if (content instanceof List<?> parts && !parts.isEmpty()) {
      content = parts.getLast() instanceof Map<?, ?> part ? part.get("text") : null;
    }
    return content instanceof String text ? text : "";
  }
}
