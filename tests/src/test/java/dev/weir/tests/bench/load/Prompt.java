package dev.weir.tests.bench.load;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** What a request asks to continue, in one of the forms that OpenAI's API knows. */
sealed interface Prompt {

  /** The endpoint's path below the server's address. */
  String path();

  /** Adds the prompt to a request's body. */
  void into(Map<String, Object> body);

  /**
   * The next turn's prompt: this one, what was answered, and what is said next.
   *
   * @param next of the same form
   */
  Prompt followedBy(Answer answer, Prompt next);

  /**
   * What a server answered.
   *
   * @param ids its tokens, where the server tells them ({@code return_token_ids}); else empty
   */
  record Answer(String text, int[] ids) {}

  /** Token ids: nothing is tokenised, and what was answered is continued token for token. */
  record Tokens(int[] ids) implements Prompt {
    @Override
    public String path() {
      return "/v1/completions";
    }

    @Override
    public void into(Map<String, Object> body) {
      body.put("prompt", ids);
      body.put("return_token_ids", true);
    }

    /** Where the server does not tell its tokens, the answer is left out of the next prompt. */
    @Override
    public Prompt followedBy(Answer answer, Prompt next) {
      int[] said = answer.ids();
      int[] more = ((Tokens) next).ids();
      int[] all = Arrays.copyOf(ids, ids.length + said.length + more.length);
      System.arraycopy(said, 0, all, ids.length, said.length);
      System.arraycopy(more, 0, all, ids.length + said.length, more.length);
      return new Tokens(all);
    }
  }

  /** Plain text. */
  record Text(String text) implements Prompt {
    @Override
    public String path() {
      return "/v1/completions";
    }

    @Override
    public void into(Map<String, Object> body) {
      body.put("prompt", text);
    }

    @Override
    public Prompt followedBy(Answer answer, Prompt next) {
      return new Text(text + answer.text() + ((Text) next).text());
    }
  }

  /** A conversation; the user speaks first and last. */
  record Chat(List<Message> messages) implements Prompt {
    record Message(String role, String content) {}

    static Chat of(String text) {
      return new Chat(List.of(new Message("user", text)));
    }

    @Override
    public String path() {
      return "/v1/chat/completions";
    }

    @Override
    public void into(Map<String, Object> body) {
      body.put("messages", messages);
    }

    @Override
    public Prompt followedBy(Answer answer, Prompt next) {
      List<Message> all = new ArrayList<>(messages);
      all.add(new Message("assistant", answer.text()));
      all.addAll(((Chat) next).messages());
      return new Chat(all);
    }
  }
}
