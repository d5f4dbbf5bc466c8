package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.text.ChatTemplate;
import dev.weir.engine.text.Conversation;
import dev.weir.engine.text.jinja.TemplateException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What was said so far, and the prompt that it makes. */
final class Dialogue {
  private final ChatTemplate template;
  private final @Nullable String system;
  private final List<Map<String, String>> messages = new ArrayList<>();

  /**
   * @param system how the model should behave, or null
   * @throws CommandException if the model has no chat template
   */
  Dialogue(Engine engine, @Nullable String system) {
    this.system = system;
    template = engine.chatTemplate();
    if (!template.isPresent()) {
      throw new CommandException(
          ExitStatus.MODEL,
          "this model has no chat template; 'weir generate' continues plain text");
    }
    reset();
  }

  /** Forgets all but how to behave. */
  void reset() {
    messages.clear();
    if (system != null) {
      add("system", system);
    }
  }

  /**
   * Says something; the prompt ends where the model's answer begins.
   *
   * @throws InvalidRequestException if the template refuses the conversation
   */
  Prompt ask(String text) {
    add("user", text);
    try {
      return Prompt.of(template.render(Conversation.of(messages)).tokenIds());
    } catch (TemplateException e) {
      throw new InvalidRequestException("messages", "the chat template says: " + e.getMessage());
    }
  }

  /** Keeps what the model said. */
  void answered(String text) {
    add("assistant", text);
  }

  /** Takes the last question back: it was not answered. */
  void takeBack() {
    messages.removeLast();
  }

  private void add(String role, String content) {
    messages.add(Map.of("role", role, "content", content));
  }
}
