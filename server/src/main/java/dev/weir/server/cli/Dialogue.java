package dev.weir.server.cli;

import dev.weir.engine.request.Prompt;
import org.jspecify.annotations.Nullable;

/** What was said so far, and the prompt that it makes. */
@SuppressWarnings("DoNotCallSuggester") // until it is there
final class Dialogue {

  /**
   * @param system how the model should behave, or null
   * @throws CommandException always: the engine renders no chat templates yet
   */
  Dialogue(@Nullable String system) {
    throw notThereYet();
  }

  void reset() {
    throw notThereYet();
  }

  Prompt ask(String text) {
    throw notThereYet();
  }

  void answered(String text) {
    throw notThereYet();
  }

  void takeBack() {
    throw notThereYet();
  }

  private static CommandException notThereYet() {
    return new CommandException(
        ExitStatus.FAILURE, "chat is not there yet; 'weir generate' continues plain text");
  }
}
