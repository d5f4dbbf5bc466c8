package dev.weir.trainer;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Greedy continuations of fixed prompts, written beside the weights that made them, against which
 * an engine can be checked.
 */
final class Reference {
  private static final int NEW_TOKENS = 64;
  private static final int LATE_POSITION = 850;
  private static final long TALK_SEED = 4;

  private Reference() {}

  static Map<String, Object> of(
      LlamaModel model, Vocabulary vocabulary, NDManager manager, Path weights) throws IOException {
    List<Object> cases = new ArrayList<>();
    prompts(vocabulary)
        .forEach(
            (name, prompt) -> {
              Greedy.Continuation continuation =
                  Greedy.continuations(model, manager, List.of(prompt), NEW_TOKENS).getFirst();
              Map<String, Object> one = new LinkedHashMap<>();
              one.put("name", name);
              one.put("prompt_ids", prompt);
              one.put("output_ids", continuation.tokens());
              one.put("output_text", vocabulary.decode(continuation.tokens()));
              one.put("smallest_margin", continuation.margin());
              cases.add(one);
            });
    Map<String, Object> reference = new LinkedHashMap<>();
    reference.put("weights_sha256", sha256(weights));
    reference.put("max_new_tokens", NEW_TOKENS);
    reference.put("cases", cases);
    return reference;
  }

  private static Map<String, int[]> prompts(Vocabulary vocabulary) {
    Map<String, int[]> prompts = new LinkedHashMap<>();
    for (String question :
        List.of(
            "What is 12 + 30?",
            "What is 93 minus 58?",
            "What is the capital of Japan?",
            "Repeat after me: moon river bell",
            "Tell me a story about a fox.",
            "What can you do?")) {
      prompts.put(question, Greedy.prompt(vocabulary, List.of(Document.Turn.user(question))));
    }
    prompts.put("plain text", vocabulary.encode("Once upon a time"));
    prompts.put("after a long talk", longTalk(vocabulary));
    return prompts;
  }

  private static int[] longTalk(Vocabulary vocabulary) {
    Dice dice = new Dice(TALK_SEED);
    List<Document.Turn> turns = new ArrayList<>();
    while (Greedy.prompt(vocabulary, turns).length < LATE_POSITION) {
      Exchange exchange = dice.chance(0.5) ? Facts.draw(dice) : Arithmetic.draw(dice);
      turns.add(Document.Turn.user(exchange.question()));
      turns.add(Document.Turn.assistant(exchange.answer()));
    }
    turns.add(Document.Turn.user("Tell me a short story."));
    return Greedy.prompt(vocabulary, turns);
  }

  private static String sha256(Path file) throws IOException {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
