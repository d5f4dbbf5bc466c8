package dev.weir.engine.replay;

import dev.weir.engine.Engine;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalHeader;
import dev.weir.engine.run.JournalRecord;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * Asks an engine for all that a journal's requests asked for, and compares every token. What was
 * cut short by its caller or by time is compared as far as it came.
 */
public final class Replay {
  private Replay() {}

  /**
   * What came of it.
   *
   * @param choices continuations that were compared
   * @param tokens their recorded tokens
   * @param left continuations that were not: they had failed, or their end was not recorded
   * @param difference the first one, in the order of the journal
   */
  public record Result(int choices, long tokens, int left, Optional<Difference> difference) {}

  /**
   * Two runs differ.
   *
   * @param request number of the request
   * @param choice which continuation
   * @param at which output token, from 0
   * @param recorded the token in the journal; -1: it had ended
   * @param replayed the token now; -1: it had ended
   */
  public record Difference(long request, int choice, int at, int recorded, int replayed) {}

  /**
   * Runs the arrivals.
   *
   * @param slots how many requests are under way at once at most
   * @param withTimes whether each waits for the time at which it came; else they come as fast as
   *     they can
   * @throws InvalidRequestException if the engine cannot serve what the recorded one did
   */
  public static Result run(JournalFile journal, Engine engine, int slots, boolean withTimes)
      throws InterruptedException {
    Map<Long, JournalRecord.End[]> ends = ends(journal);
    int limit = JournalHeader.integer(journal.header().options(), "limit");
    Deque<UnderWay> underWay = new ArrayDeque<>();
    List<Difference> differences = new ArrayList<>();
    int[] choices = {0};
    long[] tokens = {0};
    int left = 0;
    long began = System.nanoTime();
    for (JournalRecord.Arrival arrival : journal.arrivals()) {
      JournalRecord.End[] recorded = ends.get(arrival.number());
      if (recorded == null || Arrays.stream(recorded).noneMatch(Replay::comparable)) {
        left += arrival.request().choices();
        continue;
      }
      if (withTimes) {
        long due = arrival.nanos() - journal.arrivals().getFirst().nanos();
        for (long now = System.nanoTime() - began; now < due; now = System.nanoTime() - began) {
          LockSupport.parkNanos(due - now);
        }
      }
      if (underWay.size() == slots) {
        underWay.remove().compare(differences, choices, tokens);
      }
      Request again = again(arrival.request(), recorded, limit);
      underWay.add(new UnderWay(arrival.number(), recorded, engine.submit(again)));
      left += (int) Arrays.stream(recorded).filter(end -> !comparable(end)).count();
    }
    while (!underWay.isEmpty()) {
      underWay.remove().compare(differences, choices, tokens);
    }
    return new Result(choices[0], tokens[0], left, differences.stream().findFirst());
  }

  private record UnderWay(long number, JournalRecord.End[] recorded, Generation generation) {

    void compare(List<Difference> differences, int[] choices, long[] tokens)
        throws InterruptedException {
      Completion now = generation.await();
      for (JournalRecord.End end : recorded) {
        if (comparable(end)) {
          choices[0]++;
          tokens[0] += end.output().length;
          int[] replayed = now.choices().get(end.choice()).tokenIds();
          int compared = Math.min(replayed.length, end.output().length);
          int at = Arrays.mismatch(end.output(), replayed);
          boolean longer = at == compared && compared == end.output().length;
          if (at >= 0 && !(longer && cutShort(end))) {
            differences.add(
                new Difference(
                    number, end.choice(), at, token(end.output(), at), token(replayed, at)));
          }
        }
      }
    }

    private static int token(int[] ids, int at) {
      return at < ids.length ? ids[at] : -1;
    }
  }

  private static Map<Long, JournalRecord.End[]> ends(JournalFile journal) {
    Map<Long, List<JournalRecord.End>> lists = new HashMap<>();
    for (JournalRecord.End end : journal.ends()) {
      lists.computeIfAbsent(end.request(), number -> new ArrayList<>()).add(end);
    }
    Map<Long, JournalRecord.End[]> ends = new HashMap<>();
    lists.forEach((number, list) -> ends.put(number, list.toArray(JournalRecord.End[]::new)));
    return ends;
  }

  private static boolean comparable(JournalRecord.End end) {
    return !end.reason().equals(JournalRecord.End.FAILED) && end.output().length > 0;
  }

  private static boolean cutShort(JournalRecord.End end) {
    return end.reason().equals(FinishReason.CANCELLED.name())
        || end.reason().equals(FinishReason.TIMEOUT.name());
  }

  /**
   * The request as it is asked again: on nobody's terms, without stop strings (they end a text, and
   * tokens are compared), and no longer than it came.
   */
  private static Request again(Request request, JournalRecord.End[] recorded, int limit) {
    int prompt = request.prompt() instanceof Prompt.Tokens(int[] ids) ? ids.length : 0;
    int longest = 1;
    boolean cut = true;
    for (JournalRecord.End end : recorded) {
      longest = Math.max(longest, end.output().length);
      cut &= cutShort(end);
    }
    Sampling sampling = request.sampling();
    int most = Math.min(sampling.maxTokens(), Math.max(1, limit - prompt));
    most = cut ? Math.min(most, longest) : most;
    Sampling shorter = sampling.withMaxTokens(Math.max(most, sampling.minTokens()));
    return new Request(
        request.prompt(), shorter.withoutStopStrings(), request.choices(), true, Terms.DEFAULT);
  }
}
