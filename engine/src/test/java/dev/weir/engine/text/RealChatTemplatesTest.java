package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.testing.SharedData;
import dev.weir.engine.text.jinja.RenderLimits;
import dev.weir.engine.text.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Real templates on real vocabularies: control tokens are the template's, the rest is text. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RealChatTemplatesTest {

  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2025-01-31T12:00:00Z"), ZoneOffset.UTC);

  private final Vocabularies vocabularies = new Vocabularies();

  private record Case(String name, ChatTemplate template, Conversation conversation) {}

  @AfterAll
  void close() {
    vocabularies.close();
  }

  @ParameterizedTest
  @CsvSource({"qwen2.5, 0", "llama-3, 1", "phi-3-mini, 2"})
  void ids_are_those_of_the_rendered_text_where_no_message_spells_a_control_token(
      String name, int third) throws IOException {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    int compared = 0;
    for (Case one : cases(tokenizer, third)) {
      if (!spellsControlToken(tokenizer, one.conversation)) {
        RenderedPrompt prompt = one.template.render(one.conversation);
        assertThat(prompt.tokenIds())
            .as(one.name)
            .isEqualTo(tokenizer.encode(prompt.text(), false));
        compared++;
      }
    }
    assertThat(compared).isGreaterThan(300);
  }

  @ParameterizedTest
  @CsvSource({"qwen2.5, 0", "llama-3, 1", "phi-3-mini, 2"})
  void control_tokens_in_messages_add_none_to_the_prompt(String name, int third)
      throws IOException {
    Tokenizer tokenizer = vocabularies.tokenizer(name);
    String attack = names(tokenizer.controlTokens().stream());
    // The assistant may write its own tags, but no more than those.
    String marks =
        names(tokenizer.controlTokens().stream().filter(t -> !ControlTokens.isOwnTag(t)));
    int attacked = 0;
    for (Case one : cases(tokenizer, third)) {
      Conversation harmless = withSuffix(one.conversation, role -> " ab");
      if (!takes(one.template, harmless)) {
        continue;
      }
      Conversation hostile =
          withSuffix(
              one.conversation, role -> " a" + (role.equals("assistant") ? marks : attack) + "b");

      RenderedPrompt expected = one.template.render(harmless);
      RenderedPrompt prompt = one.template.render(hostile);

      assertThat(controlIds(tokenizer, prompt))
          .as(one.name)
          .isEqualTo(controlIds(tokenizer, expected));
      attacked += prompt.text().contains(attack) ? 1 : 0;
    }
    assertThat(attacked).isGreaterThan(300);
  }

  private static String names(Stream<AddedToken> tokens) {
    return tokens.map(AddedToken::content).limit(24).collect(Collectors.joining(" x\n"));
  }

  private static List<Integer> controlIds(Tokenizer tokenizer, RenderedPrompt prompt) {
    Set<Integer> control =
        tokenizer.controlTokens().stream().map(AddedToken::id).collect(Collectors.toSet());
    return Arrays.stream(prompt.tokenIds()).boxed().filter(control::contains).toList();
  }

  private static boolean spellsControlToken(Tokenizer tokenizer, Conversation conversation) {
    String all = conversation.toString();
    return tokenizer.controlTokens().stream().anyMatch(token -> all.contains(token.content()));
  }

  /** Each vocabulary has a third of the templates, with every conversation that they take. */
  private static List<Case> cases(Tokenizer tokenizer, int third) throws IOException {
    Path folder = SharedData.require("data/chat_templates");
    JsonNode matrix =
        JsonMapper.shared().readTree(Files.readString(folder.resolve("rendered_matrix.json")));
    Map<String, Conversation> conversations = new TreeMap<>();
    matrix
        .path("conversations")
        .properties()
        .forEach(entry -> conversations.put(entry.getKey(), conversation(entry.getValue())));
    List<Case> cases = new ArrayList<>();
    for (int i = third; i < matrix.path("templates").size(); i += 3) {
      String file = matrix.path("templates").get(i).path("template_file").asString();
      ChatTemplate chat =
          ChatTemplate.of(tokenizer, source(folder.resolve(file)), CLOCK, RenderLimits.DEFAULT);
      conversations.forEach(
          (name, conversation) -> {
            if (takes(chat, conversation)) {
              cases.add(new Case(file + " on " + name, chat, conversation));
            }
          });
    }
    return cases;
  }

  private static boolean takes(ChatTemplate template, Conversation conversation) {
    try {
      template.render(conversation);
      return true;
    } catch (TemplateException e) {
      return false;
    }
  }

  private static String source(Path file) throws IOException {
    String text = Files.readString(file);
    return file.toString().endsWith(".json")
        ? JsonMapper.shared().readTree(text).path("chat_template").asString()
        : text;
  }

  private static Conversation conversation(JsonNode node) {
    Map<String, Object> fields = object(node);
    List<Map<String, Object>> messages = objects(fields.remove("messages"));
    List<Map<String, Object>> tools = objects(fields.remove("tools"));
    List<Map<String, Object>> documents = objects(fields.remove("documents"));
    boolean prompt = Boolean.TRUE.equals(fields.remove("add_generation_prompt"));
    return new Conversation(messages, tools, documents, prompt, false, fields);
  }

  /** The conversation with something behind every text content, depending on the role. */
  private static Conversation withSuffix(
      Conversation conversation, UnaryOperator<String> suffixOfRole) {
    List<Map<String, Object>> messages = new ArrayList<>();
    for (Map<String, ?> message : conversation.messages()) {
      Map<String, Object> changed = new LinkedHashMap<>(message);
      if (message.get("content") instanceof String text && !text.isEmpty()) {
        changed.put("content", text + suffixOfRole.apply(String.valueOf(message.get("role"))));
      }
      messages.add(changed);
    }
    return new Conversation(
        messages,
        conversation.tools(),
        conversation.documents(),
        conversation.addGenerationPrompt(),
        false,
        conversation.extra());
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> object(JsonNode node) {
    return JsonMapper.shared().convertValue(node, LinkedHashMap.class);
  }

  @SuppressWarnings("unchecked")
  private static List<Map<String, Object>> objects(@Nullable Object value) {
    return value == null ? List.of() : (List<Map<String, Object>>) value;
  }
}
