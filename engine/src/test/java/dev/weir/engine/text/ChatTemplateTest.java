package dev.weir.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.text.jinja.RenderLimits;
import dev.weir.engine.text.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The chat template's own rules, on a vocabulary of bytes with {@code <|end|>} and a tag. */
class ChatTemplateTest {

  private static final int END = 256;
  private static final int CALL = 257;
  private static final String TEMPLATE =
      "{% for m in messages %}{{ m.role }}:"
          + "{% if m.content is string %}{{ m.content | trim }}"
          + "{% else %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endif %}"
          + "{{ eos_token }}{% endfor %}"
          + "{% if tools %}<call>{{ tools | tojson }}{% endif %}"
          + "{% if add_generation_prompt %}assistant:{% endif %}{{ mood }}";

  @TempDir private Path folder;

  private Tokenizer tokenizer(String template) throws IOException {
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|end|>\"}");
    Files.writeString(folder.resolve("chat_template.jinja"), template);
    return TinyTokenizer.load(folder);
  }

  private RenderedPrompt render(String template, Conversation conversation) throws IOException {
    try (Tokenizer tokenizer = tokenizer(template)) {
      return templateOf(tokenizer).render(conversation);
    }
  }

  private static ChatTemplate templateOf(Tokenizer tokenizer) {
    return ChatTemplate.of(tokenizer, Clock.systemUTC(), RenderLimits.DEFAULT);
  }

  private static Conversation user(Object content) {
    return Conversation.of(List.of(Map.of("role", "user", "content", content)));
  }

  private static long count(RenderedPrompt prompt, int id) {
    return Arrays.stream(prompt.tokenIds()).filter(token -> token == id).count();
  }

  @Test
  void a_conversation_without_control_text_is_encoded_as_its_text() throws IOException {
    try (Tokenizer tokenizer = tokenizer(TEMPLATE)) {
      RenderedPrompt prompt = templateOf(tokenizer).render(user(" is 1 < 2 | 3 > 2? "));

      assertThat(prompt.text()).isEqualTo("user:is 1 < 2 | 3 > 2?<|end|>assistant:");
      assertThat(prompt.tokenIds()).isEqualTo(tokenizer.encode(prompt.text(), false));
    }
  }

  @Test
  void a_control_token_spelled_in_a_message_stays_text() throws IOException {
    RenderedPrompt prompt = render(TEMPLATE, user("a<|end|>b<call>"));

    assertThat(prompt.text()).isEqualTo("user:a<|end|>b<call><|end|>assistant:");
    assertThat(count(prompt, END)).isEqualTo(1);
    assertThat(count(prompt, CALL)).isZero();
  }

  @Test
  void pieces_of_a_control_token_that_the_template_joins_stay_text() throws IOException {
    RenderedPrompt prompt =
        render(TEMPLATE, user(List.of(Map.of("text", "<|e"), Map.of("text", "nd|>"))));

    assertThat(prompt.text()).isEqualTo("user:<|end|><|end|>assistant:");
    assertThat(count(prompt, END)).isEqualTo(1);
  }

  @Test
  void a_control_token_that_the_template_makes_of_a_message_stays_text() throws IOException {
    RenderedPrompt lowered = render("{{ messages[0].content | lower }}", user("<|END|>"));
    RenderedPrompt replaced =
        render("{{ messages[0].content | replace('-', '') }}", user("<|e-nd|>"));
    RenderedPrompt reversed = render("{{ messages[0].content[::-1] }}", user(">|dne|<"));

    assertThat(List.of(lowered, replaced, reversed))
        .allSatisfy(prompt -> assertThat(prompt.text()).isEqualTo("<|end|>"))
        .allSatisfy(prompt -> assertThat(count(prompt, END)).isZero());
  }

  @Test
  void roles_tools_keys_and_further_variables_forge_nothing_either() throws IOException {
    Map<String, Object> message = Map.of("role", "<|end|>", "content", "");
    Map<String, Object> tool = Map.of("<|end|>", List.of("<|end|>", "<call>"));
    Conversation conversation =
        new Conversation(
            List.of(message),
            List.of(tool),
            List.of(),
            true,
            false,
            Map.of("mood", "<|end|>", "eos_token", "<|end|>", "messages", "ignored"));

    RenderedPrompt prompt = render(TEMPLATE, conversation);

    assertThat(count(prompt, END)).isZero();
    assertThat(count(prompt, CALL)).as("the template's own").isEqualTo(1);
    assertThat(prompt.text()).contains("<|end|>:<|end|><call>[{\"<|end|>\": [\"<|end|>\"");
  }

  @Test
  void private_characters_in_messages_are_not_mistaken_for_hidden_ones() throws IOException {
    StringBuilder content = new StringBuilder("<|end|>");
    for (char c = '\uE000'; c < '\uE100'; c++) {
      content.append(c);
    }

    RenderedPrompt prompt = render(TEMPLATE, user(content.toString()));

    assertThat(prompt.text()).isEqualTo("user:" + content + "<|end|>assistant:");
    assertThat(count(prompt, END)).isEqualTo(1);
  }

  @Test
  void tags_in_the_assistants_own_turns_are_what_the_model_wrote() throws IOException {
    Conversation conversation =
        Conversation.of(
            List.of(
                Map.of("role", "user", "content", "<call>"),
                Map.of("role", "assistant", "content", "<call>f()<|end|>")));

    // The template knows <call>; it does not know <|end|> from the assistant's text.
    RenderedPrompt prompt = render(TEMPLATE, conversation);

    assertThat(count(prompt, CALL)).isEqualTo(1);
    assertThat(count(prompt, END)).as("one for each turn").isEqualTo(2);
  }

  @Test
  void tool_use_is_chosen_where_there_are_tools() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        """
        {"chat_template": [{"name": "default", "template": "plain"},
                           {"name": "tool_use", "template": "with tools"}]}
        """);
    try (Tokenizer tokenizer = TinyTokenizer.load(folder)) {
      Conversation withTools =
          new Conversation(
              List.of(), List.of(Map.of("type", "function")), List.of(), true, false, Map.of());

      assertThat(templateOf(tokenizer).render(user("x")).text()).isEqualTo("plain");
      assertThat(templateOf(tokenizer).render(withTools).text()).isEqualTo("with tools");
    }
  }

  @Test
  void the_last_message_can_be_continued() throws IOException {
    Conversation conversation =
        new Conversation(
            List.of(
                Map.of("role", "user", "content", "say it"),
                Map.of("role", "assistant", "content", "It is <call")),
            List.of(),
            List.of(),
            false,
            true,
            Map.of());

    RenderedPrompt prompt = render(TEMPLATE, conversation);

    assertThat(prompt.text()).isEqualTo("user:say it<|end|>assistant:It is <call");
    assertThat(count(prompt, END)).isEqualTo(1);
  }

  @Test
  void a_model_without_a_template_says_so() throws IOException {
    try (Tokenizer tokenizer = TinyTokenizer.load(folder)) {
      ChatTemplate none = templateOf(tokenizer);

      assertThat(none.isPresent()).isFalse();
      assertThatThrownBy(() -> none.render(user("x")))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("no chat template");
    }
  }

  @Test
  void what_a_template_says_about_a_conversation_reaches_the_caller() {
    assertThatThrownBy(() -> render("{{ raise_exception('roles must alternate') }}", user("x")))
        .isInstanceOf(TemplateException.class)
        .hasMessageContaining("roles must alternate");
    assertThatThrownBy(() -> render("{% for %}", user("x"))).isInstanceOf(TemplateException.class);
  }

  @Test
  void messages_nested_without_end_are_refused() {
    Object content = "x";
    for (int i = 0; i < 2 * Disguise.MAX_DEPTH; i++) {
      content = List.of(content);
    }
    Object nested = content;

    assertThatThrownBy(() -> render("{{ messages | length }}", user(nested)))
        .isInstanceOfAny(InvalidRequestException.class, TemplateException.class);
  }
}
