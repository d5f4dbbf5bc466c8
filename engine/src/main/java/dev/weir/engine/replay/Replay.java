package dev.weir.engine.replay;

import dev.weir.engine.Engine;
import dev.weir.engine.request.Account;
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
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
   * @param placed where they ran
   */
  public record Result(
      int choices, long tokens, int left, Optional<Difference> difference, Placed placed) {}

  /**
   * Where requests ran and what became of their contexts, as far as that can be compared: their
   * first choices, where these were admitted once in both runs. Two schedules may differ in this.
   *
   * @param requests how many were compared
   * @param elsewhere how many of them ran on a shard of another number
   * @param recorded where their contexts came from in the journal
   * @param replayed where they came from now
   * @param first the first that ran on another shard
   */
  public record Placed(
      int requests, int elsewhere, Origins recorded, Origins replayed, Optional<Moved> first) {}

  /**
   * A request ran on another shard.
   *
   * @param request number of the request
   * @param recorded the shard in the journal
   * @param replayed the shard now
   */
  public record Moved(long request, int recorded, int replayed) {}

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
    Map<Long, JournalRecord.Placement> placements = onlyPlacements(journal);
    int limit = JournalHeader.integer(journal.header().options(), "limit");
    Deque<UnderWay> underWay = new ArrayDeque<>();
    Comparison comparison = new Comparison();
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
        comparison.add(underWay.remove());
      }
      Request again = again(arrival.request(), recorded, limit);
      underWay.add(
          new UnderWay(
              arrival.number(),
              recorded,
              Optional.ofNullable(placements.get(arrival.number())),
              engine.submit(again)));
      left += (int) Arrays.stream(recorded).filter(end -> !comparable(end)).count();
    }
    while (!underWay.isEmpty()) {
      comparison.add(underWay.remove());
    }
    return comparison.result(left);
  }

  private record UnderWay(
      long number,
      JournalRecord.End[] recorded,
      Optional<JournalRecord.Placement> placement,
      Generation generation) {}

  /** What the requests that have ended say. */
  private static final class Comparison {
    private int choices;
    private long tokens;
    private final List<Difference> differences = new ArrayList<>();
    private int placed;
    private Origins recordedOrigins = Origins.NONE;
    private Origins origins = Origins.NONE;
    private final List<Moved> moved = new ArrayList<>();

    Result result(int left) {
      return new Result(
          choices,
          tokens,
          left,
          differences.stream().findFirst(),
          new Placed(placed, moved.size(), recordedOrigins, origins, moved.stream().findFirst()));
    }

    void add(UnderWay request) throws InterruptedException {
      Completion now = request.generation.await();
      Account account = request.generation.account();
      if (request.placement.isPresent() && account.preemptions() == 0) {
        JournalRecord.Placement placement = request.placement.get();
        placed++;
        recordedOrigins = recordedOrigins.plus(Origins.of(placement));
        origins = origins.plus(Origins.of(account));
        if (placement.shard() != account.shard()) {
          moved.add(new Moved(request.number, placement.shard(), account.shard()));
        }
      }
      for (JournalRecord.End end : request.recorded) {
        if (comparable(end)) {
          choices++;
          tokens += end.output().length;
          int[] replayed = now.choices().get(end.choice()).tokenIds();
          int compared = Math.min(replayed.length, end.output().length);
          int at = Arrays.mismatch(end.output(), replayed);
          boolean longer = at == compared && compared == end.output().length;
          if (at >= 0 && !(longer && cutShort(end))) {
            differences.add(
                new Difference(
                    request.number,
                    end.choice(),
                    at,
                    token(end.output(), at),
                    token(replayed, at)));
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

  /** Where first choices were admitted, those that were admitted once. */
  private static Map<Long, JournalRecord.Placement> onlyPlacements(JournalFile journal) {
    Map<Long, JournalRecord.Placement> only = new HashMap<>();
    Set<Long> several = new HashSet<>();
    for (JournalRecord.Placement placement : journal.placements()) {
      if (placement.choice() == 0 && only.put(placement.request(), placement) != null) {
        several.add(placement.request());
      }
    }
    only.keySet().removeAll(several);
    return only;
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
