package dev.weir.tests.bench.load;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * What is asked of a server, and when: drawn from a seed before anything is sent, so that every
 * server gets the same.
 *
 * @param dialogues in the order in which they are due
 * @param clients how many dialogues may go on at once
 * @param closedLoop whether a dialogue is due only when a client is free for it
 */
record Workload(List<Dialogue> dialogues, int clients, boolean closedLoop) {

  /**
   * Turns of one client, each sent once the one before is answered.
   *
   * @param dueSeconds when the first turn is due
   * @param group dialogues with one number begin with the same prompt
   */
  record Dialogue(int number, int group, double dueSeconds, List<Turn> turns) {}

  /**
   * One turn.
   *
   * @param says what is added to all that was said before
   * @param answerTokens how long the answer may be
   */
  record Turn(Prompt says, int answerTokens) {}

  /**
   * The shape of a workload.
   *
   * @param groups how many different first prompts there are
   * @param samples how many dialogues begin with each, at the same time (GRPO's groups); they go on
   *     with turns of their own
   * @param turns of each dialogue
   * @param pairs lengths of prompt and answer
   * @param laterTokens what each turn after the first adds
   */
  record Shape(int groups, int samples, int turns, LengthPairs pairs, Lengths laterTokens) {
    Shape {
      if (groups < 1 || samples < 1 || turns < 1) {
        throw new IllegalArgumentException("groups, samples and turns must be at least 1");
      }
    }
  }

  /** Draws a workload. */
  static Workload draw(
      Shape shape, Arrivals arrivals, int limit, PromptMaker prompts, Random random) {
    double[] due = arrivals.due(shape.groups(), random);
    List<Dialogue> dialogues = new ArrayList<>();
    for (int group = 0; group < shape.groups(); group++) {
      LengthPairs.Pair first = shape.pairs().draw(random);
      Prompt prompt = prompts.make(first.prompt(), random);
      for (int sample = 0; sample < shape.samples(); sample++) {
        List<Turn> turns = new ArrayList<>(List.of(new Turn(prompt, first.answer())));
        while (turns.size() < shape.turns()) {
          int answer = shape.pairs().draw(random).answer();
          turns.add(new Turn(prompts.make(shape.laterTokens().draw(random), random), answer));
        }
        dialogues.add(new Dialogue(dialogues.size(), group, due[group], turns));
      }
    }
    int clients = arrivals instanceof Arrivals.ClosedLoop loop ? loop.clients() : limit;
    return new Workload(
        dialogues, Math.min(clients, limit), arrivals instanceof Arrivals.ClosedLoop);
  }
}
