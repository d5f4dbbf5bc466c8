package dev.weir.trainer;

import java.util.List;

/** Greetings, and what the model says about itself. */
final class Talk {
  private static final String ABLE =
      "I can add and subtract small numbers, repeat, reverse and spell words, answer a few simple"
          + " questions, and tell short stories.";

  private static final List<String> SYSTEM_PROMPTS =
      List.of(
          "You are a helpful assistant.",
          "You are a friendly assistant.",
          "Answer briefly.",
          "You are Weir's demo model.",
          "Be kind and short.",
          "You are a helpful, honest assistant. Keep your answers short.");

  private record Topic(List<String> questions, List<String> answers) {}

  private static final List<Topic> TOPICS =
      List.of(
          new Topic(
              List.of("Hello!", "Hello", "Hi", "Hi!", "Hi there!", "Good morning!", "Hey", "hello"),
              List.of("Hello! How can I help you?", "Hello! What can I do for you?")),
          new Topic(
              List.of(
                  "What is your name?",
                  "Who are you?",
                  "What are you?",
                  "What's your name?",
                  "Tell me your name."),
              List.of("I am Weir's demo model.")),
          new Topic(
              List.of("How are you?", "How are you today?", "Are you well?"),
              List.of("I am fine, thank you. How are you?")),
          new Topic(
              List.of("What can you do?", "Help", "How can you help me?", "What do you know?"),
              List.of(ABLE)),
          new Topic(
              List.of("Thank you!", "Thanks", "Thanks!", "Thank you very much."),
              List.of("You are welcome!")),
          new Topic(
              List.of("Goodbye!", "Bye", "See you later!", "Good night!"),
              List.of("Goodbye! Have a nice day.")),
          new Topic(
              List.of("Who made you?", "How were you made?", "Where do you come from?"),
              List.of("I was trained by Weir's own small trainer, on text that it made up.")),
          new Topic(
              List.of("Are you a human?", "Are you a person?", "Are you real?"),
              List.of("No, I am a small language model.")));

  private Talk() {}

  static Exchange draw(Dice dice) {
    Topic topic = dice.pick(TOPICS);
    return new Exchange(dice.pick(topic.questions()), dice.pick(topic.answers()));
  }

  static String systemPrompt(Dice dice) {
    return dice.pick(SYSTEM_PROMPTS);
  }
}
