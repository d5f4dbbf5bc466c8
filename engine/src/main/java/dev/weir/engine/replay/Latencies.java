package dev.weir.engine.replay;

import dev.weir.engine.run.JournalRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the callers of a schedule saw, in nanoseconds, each sorted.
 *
 * @param firstToken from each request's arrival to its first token
 * @param betweenTokens between any two tokens of one stream that follow each other
 * @param lastsNanos from the first arrival to the end of the last step
 * @param steps steps
 */
public record Latencies(long[] firstToken, long[] betweenTokens, long lastsNanos, int steps) {

  /** Reads them off a schedule. */
  public static Latencies of(
      Collection<JournalRecord.Arrival> arrivals, Collection<JournalRecord.Step> steps) {
    Map<Long, Long> arrived = new HashMap<>();
    long begin = Long.MAX_VALUE;
    for (JournalRecord.Arrival arrival : arrivals) {
      arrived.put(arrival.number(), arrival.nanos());
      begin = Math.min(begin, arrival.nanos());
    }
    Map<Stream, Long> lastToken = new HashMap<>();
    List<Long> first = new ArrayList<>();
    List<Long> between = new ArrayList<>();
    long end = begin;
    for (JournalRecord.Step step : steps) {
      end = Math.max(end, step.endNanos());
      for (JournalRecord.Entry entry : step.entries()) {
        if (!entry.drew()) {
          continue;
        }
        Long before = lastToken.put(new Stream(entry.request(), entry.choice()), step.endNanos());
        Long arrival = arrived.get(entry.request());
        if (before != null) {
          between.add(step.endNanos() - before);
        } else if (arrival != null && entry.choice() == 0) {
          first.add(step.endNanos() - arrival);
        }
      }
    }
    return new Latencies(
        sorted(first), sorted(between), arrivals.isEmpty() ? 0 : end - begin, steps.size());
  }

  private record Stream(long request, int choice) {}

  private static long[] sorted(List<Long> values) {
    long[] array = values.stream().mapToLong(Long::longValue).toArray();
    Arrays.sort(array);
    return array;
  }

  /**
   * The value below which a share of all lies; 0 where there is none.
   *
   * @param share from 0 to 1; 1 is the largest
   */
  public static long quantile(long[] sorted, double share) {
    return sorted.length == 0
        ? 0
        : sorted[(int) Math.min(sorted.length - 1L, (long) (share * sorted.length))];
  }
}
